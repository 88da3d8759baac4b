"""Engines' further paths: passed on where the engine has them, refused by name where not."""

import json
from typing import Any

import pytest

from tests.pool.upstream.test_fallback import remote
from tests.pool.wire.engine import serve_wire

SAID = [{"role": "user", "content": "hola"}]
ROWS: list[tuple[str, str, dict[str, Any], str]] = [
    ("/v1/responses", "chat", {"input": "hola"}, "output"),
    ("/v1/messages", "chat", {"messages": SAID, "max_tokens": 8}, "content"),
    ("/v1/messages/count_tokens", "chat", {"messages": SAID}, "input_tokens"),
    ("/v1/rerank", "rerank", {"query": "a", "documents": ["a", "b"], "top_n": 1}, "results"),
    ("/rerank", "embedding", {"query": "a", "documents": ["a"]}, "results"),
    ("/v2/rerank", "rerank", {"query": "a", "documents": ["a"]}, "results"),
    ("/v1/score", "rerank", {"text_1": "a", "text_2": ["b"]}, "data"),
    ("/score", "rerank", {"queries": "a", "documents": ["b"]}, "data"),
    ("/tokenize", "chat", {"prompt": "hola"}, "tokens"),
    ("/detokenize", "chat", {"tokens": [5, 6]}, "prompt"),
]
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("/v1/responses", {"input": []}, "input"),
    ("/v1/responses", {"input": "x", "previous_response_id": "resp_1"}, "previous_response_id"),
    ("/v1/responses", {"input": "x", "max_output_tokens": 10**12}, "max_output_tokens"),
    ("/v1/messages", {"messages": []}, "messages"),
    ("/v1/messages", {"messages": [{"role": "nobody", "content": "x"}]}, "messages.0.role"),
    ("/v1/rerank", {"query": "x", "documents": ["x"] * 10**5}, "documents"),
    ("/v1/score", {"text_1": "x"}, "text_2"),
    ("/detokenize", {"tokens": [-1]}, "tokens"),
]


def models_at(url: str, **fields: Any) -> dict[str, Any]:
    return {"m": {"backend": "openai", "urls": [url], **fields}}


@pytest.mark.parametrize(("path", "kind", "body", "field"), ROWS, ids=[row[0] for row in ROWS])
async def test_what_the_engine_has_comes_back_as_it_said_it(open_client, path, kind, body, field):
    async with (
        serve_wire() as (engine, url),
        open_client(models_at(url, kind=kind, upstream="real")) as client,
    ):
        status, said = await client.post(path, {"model": "m", **body})
        assert status == 200, said
        assert field in said
        asked_path, asked = engine.asked[-1]
        assert asked == {**body, "model": "real"}
        assert path.rpartition("/")[2] == asked_path.rpartition("/")[2]


async def test_what_no_engine_can_do_or_understand_is_refused_by_name(open_client, journal):
    async with remote(journal, "plain", status=404) as url:
        models = {
            "plain": {"backend": "openai", "urls": [url]},
            "vectors": {"backend": "openai", "urls": [url], "kind": "embedding"},
            "e": {"backend": "extractive"},
        }
        async with open_client(models, auto={"default": "e", "last": "e"}) as client:
            for path, kind, body, _ in ROWS:
                name = "plain" if kind == "chat" else "vectors"
                status, said = await client.post(path, {"model": name, **body})
                assert (status, said["error"]["code"]) == (501, "not_supported"), (path, said)
                own, code = ("e", "wrong_model") if kind != "chat" else ("e", "not_supported")
                status, said = await client.post(path, {"model": own, **body})
                if path != "/tokenize":
                    assert (status, said["error"]["code"]) == (400 if kind != "chat" else 501, code)
            status, said = await client.post("/v1/messages", {"model": "auto", "messages": SAID})
            assert (status, said["type"], said["error"]["type"]) == (501, "error", "api_error")
            assert (await client.get("/v1/responses/resp_1"))[0] == 501
            for path, body, param in REFUSED:
                status, said = await client.post(path, {"model": "plain", **body})
                assert (status, said["error"]["param"]) == (400, param), path


@pytest.mark.parametrize(
    ("path", "body", "last"),
    [
        ("/v1/responses", {"input": "hola"}, "response.completed"),
        ("/v1/messages", {"messages": SAID, "max_tokens": 8}, "message_stop"),
    ],
)
async def test_a_stream_of_typed_events_goes_through_and_ends_well_or_with_an_error(
    open_client, path, body, last
):
    async with serve_wire() as (engine, url), open_client(models_at(url)) as client:
        for fails in (False, True):
            engine.fails = fails
            asked = {"model": "m", "stream": True, **body}
            async with client.http.post(client.base + path, json=asked) as response:
                *_, end = (await response.text()).strip().split("\n\n")
                if fails and response.status == 502:  # it failed before anything was sent on
                    assert "out of memory" in end
                    continue
                assert response.status == 200
            name, _, data = end.partition("\n")
            assert name == f"event: {'error' if fails else last}"
            assert ("out of memory" in data) == fails
            assert fails == ("error" in json.loads(data[6:]))
        row = (await client.get("/stats"))[1]["models"]["m"]
        assert (row["prompt_tokens"], row["completion_tokens"]) == (3, 2)
