"""Another engine takes over before the first byte: replicas, declared fallbacks, the circuit breaker."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from tests.pool.fake_engine import Engine
from tests.pool.harness import free_port, make_settings, model, serving, write_catalog


@asynccontextmanager
async def remote(journal, name: str, **knobs):
    """An engine that nobody starts for us, as an `openai` backend sees it."""
    engine = Engine(name, "x", {"journal": str(journal), **knobs})
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


def answered(journal, name: str) -> int:
    lines = journal.read_text().splitlines() if journal.exists() else []
    return sum(line.startswith(("begin", "refused")) and line.split()[1] == name for line in lines)


async def test_a_declared_fallback_answers_for_a_model_that_can_not_load(open_client, journal):
    models = {"a": model(journal, fallbacks=["b"], knobs={"fail_load": 1}), "b": model(journal)}
    async with open_client(models) as client:
        body = {"model": "a", "messages": [{"role": "user", "content": "x"}]}
        async with client.http.post(f"{client.base}/v1/chat/completions", json=body) as response:
            assert response.status == 200
            assert response.headers["x-capibara6-model"] == "b"
            assert "a failed" in response.headers["x-capibara6-route"]
            assert (await response.json())["model"] == "b"


async def test_without_a_declared_fallback_nobody_else_answers(open_client, journal):
    async with open_client({"a": model(journal, knobs={"fail_load": 1}), "b": model(journal)}) as client:
        assert (await client.chat("a"))[0] == 503


async def test_nothing_takes_over_after_the_first_byte(open_client, journal):
    models = {"a": model(journal, fallbacks=["b"]), "b": model(journal)}
    async with open_client(models) as client:
        _, said = await client.stream("a", {"die_after_n": 2, "tok_s": 0.02})
        assert b'"error"' in said and b"[DONE]" not in said
        assert client.written("begin", "b") == []


async def test_copies_of_one_conversation_are_spread_when_their_replica_has_its_share(open_client, journal):
    async with remote(journal, "one", tok_s=0.2) as one, remote(journal, "two", tok_s=0.2) as two:
        models = {"m": {"backend": "openai", "urls": [one, two]}}
        async with open_client(models) as client:
            answers = await asyncio.gather(*(client.stream("m") for _ in range(8)))
            assert {status for status, _ in answers} == {200}
            assert 3 <= answered(journal, "one") <= 5, "at most a quarter above the mean"


async def test_a_dead_primary_costs_little_and_is_left_alone(open_client, journal):
    async with remote(journal, "sick", status=500) as sick, remote(journal, "well") as well:
        models = {
            "m": {"backend": "openai", "urls": [sick], "fallbacks": ["spare"]},
            "spare": {"backend": "openai", "urls": [well]},
        }
        async with open_client(models) as client:
            for _ in range(10):
                assert (await client.chat("m"))[0] == 200
            assert answered(journal, "sick") <= 4
            assert answered(journal, "well") == 10


async def test_a_single_primary_that_refuses_connections_fails_fast_without_a_fallback(open_client):
    models = {"m": {"backend": "openai", "urls": [f"http://127.0.0.1:{free_port()}"]}}
    async with open_client(models) as client:
        for _ in range(5):
            status, body = await client.chat("m")
            assert (status, body["error"]["source"]) == (503, "engine")


async def test_a_remote_engine_gets_its_own_key_and_name_and_never_the_clients(
    open_client, journal, tmp_path
):
    key = tmp_path / "key"
    key.write_text("engines-key\n")
    engine = Engine("real-name", "x", {})
    engine.key = "engines-key"
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        models = {"m": {"backend": "openai", "urls": [url], "upstream": "real-name", "key_file": str(key)}}
        async with open_client(models) as client:
            headers = {"authorization": "Bearer clients-key"}
            body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
            async with client.http.post(
                f"{client.base}/v1/chat/completions", json=body, headers=headers
            ) as got:
                assert got.status == 200
                assert (await got.json())["echo"]["model"] == "real-name"


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_our_own_standing_with_an_engine_is_not_the_clients_fault(open_client, journal, status):
    async with (
        remote(journal, "one", status=status) as one,
        open_client({"m": {"backend": "openai", "urls": [one]}}) as client,
    ):
        assert (await client.chat("m"))[0] == 502


async def test_auto_routes_to_what_is_here_and_says_so(open_client):
    models = {
        "coder": {"backend": "vllm", "weights": "none", "domain": "coding", "level": 2},
        "extractive": {"backend": "extractive", "domain": "grounded", "level": 0},
    }
    async with open_client(models, auto={"default": "coder", "last": "extractive"}) as client:
        question = "Escribe una función en python que ordene una lista"
        body = {"model": "auto", "messages": [{"role": "user", "content": question}]}
        async with client.http.post(f"{client.base}/v1/chat/completions", json=body) as response:
            assert response.status == 200
            assert response.headers["x-capibara6-model"] == "extractive"
            assert "coder" in response.headers["x-capibara6-route"]
        status, said = await client.chat("coder")
        assert status == 503 and "weights are missing" in said["error"]["message"]
        status, said = await client.chat("nobody")
        assert status == 404 and "coder, extractive, auto" in said["error"]["message"]
        listed = (await client.get("/v1/models"))[1]["data"]
        assert {item["id"]: item["available"] for item in listed} == {
            "coder": False, "extractive": True, "auto": True,
        }  # fmt: skip
        assert "models add coder" in json.dumps(listed), "it has no source to be pulled from"


async def test_ollama_takes_over_a_model_whose_own_engine_can_not_start(open_client, journal, tmp_path):
    """The other Ollama here is a second pool: it speaks that wire."""
    home = tmp_path / "other"
    home.mkdir()
    catalog = write_catalog(home / "models.toml", {"phi3:mini": model(journal)})
    other = make_settings(home / "home", catalog)
    broken = model(journal, knobs={"fail_load": 1}, ollama="phi3:mini")
    missing = {"backend": "vllm", "weights": "none", "ollama": "phi3:mini"}
    async with serving(other) as (url, _), open_client({"a": broken, "b": missing}, ollama_url=url) as client:
        for name in "ab":
            status, said = await client.chat(name)
            assert (status, said["model"]) == (200, name)
        assert (await client.get("/v1/models/b"))[1]["backend"] == "ollama"
