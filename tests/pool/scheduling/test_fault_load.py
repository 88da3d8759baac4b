"""Faults while models load and wait for slots, with real child processes."""

import asyncio
import contextlib
import json
import os
import random
import signal

import pytest

from servers.pool.engines import lifecycle
from servers.pool.scheduling.instance import Phase
from tests.pool.harness import Client, free_port, model


async def test_fault_01_a_thousand_requests_for_one_unloaded_model_spawn_one_process(open_client, journal):
    models = {"a": model(journal, knobs={"load_s": 3.0, "tokens": 1})}
    async with open_client(models, queue_per_model=64, queue_total=256) as client:
        answers = await asyncio.gather(*(client.chat("a") for _ in range(1000)))
        assert len(client.written("start")) == 1
        statuses = [status for status, _ in answers]
        assert set(statuses) == {200, 429}
        assert statuses.count(200) >= 64
        assert {body["error"]["code"] for status, body in answers if status == 429} == {"queue_full"}


async def test_fault_02_waiters_give_up_at_the_bound_and_no_stream_is_cut(open_client, journal):
    models = {name: model(journal, knobs={"tokens": 60, "tok_s": 0.1}) for name in "abcde"}
    async with open_client(models, max_loaded=3, queue_wait_s=0.5) as client:
        streams = [asyncio.ensure_future(client.stream(name)) for name in "abc"]
        await client.until(lambda: all(client.instance(name).in_flight for name in "abc"))
        body = {"model": "d", "messages": [{"role": "user", "content": "x"}], "stream": True}

        async def wait_in_vain(name: str) -> None:
            url = f"{client.base}/v1/chat/completions"
            async with client.http.post(url, json={**body, "model": name}) as got:
                assert got.status == 503
                assert int(got.headers["retry-after"]) >= 1
                assert (await got.json())["error"]["code"] == "queue_timeout"

        await asyncio.gather(*(wait_in_vain(name) for name in "de"))
        for status, said in await asyncio.gather(*streams):
            assert status == 200 and said.count(b"data: ") == 62 and said.endswith(b"data: [DONE]\n\n")


async def test_fault_03_requests_at_the_moment_of_idle_unload_are_all_served(open_client, journal):
    async with open_client({"a": model(journal, knobs={"tokens": 1})}, idle_s=0.3) as client:
        for pause in (0.28, 0.3, 0.32, 0.36, 0.45):
            assert (await client.chat("a"))[0] == 200
            await asyncio.sleep(pause)
        await client.until(lambda: client.instance("a").phase is Phase.COLD)
        assert (await client.chat("a"))[0] == 200
        assert len(client.written("start")) > 1


async def test_fault_04_and_05_models_take_turns_on_one_slot_without_a_refused_connection(
    open_client, journal
):
    models = {name: model(journal, knobs={"tokens": 1}) for name in "ab"}
    async with open_client(models, max_loaded=1, queue_wait_s=60.0) as client:

        async def ask(name: str) -> list[int]:
            return [(await client.chat(name))[0] for _ in range(8)]

        statuses = await asyncio.gather(*(ask(name) for name in "aabb"))
        assert {status for each in statuses for status in each} == {200}
        assert client.written("start", "a") and client.written("start", "b")


async def test_fault_06_traffic_on_one_model_flows_while_another_loads(open_client, journal):
    slow = model(journal, knobs={"never_healthy": True})
    async with open_client({"slow": slow, "quick": model(journal, knobs={"tokens": 1})}) as client:
        await client.chat("quick")
        loading = asyncio.ensure_future(client.chat("slow"))
        await client.until(lambda: client.instance("slow").phase is Phase.STARTING)
        for _ in range(50):
            assert (await client.chat("quick"))[0] == 200
            assert client.instance("slow").phase is Phase.STARTING and not loading.done()
        await client.post("/v1/models/slow/unload")
        assert (await loading)[0] == 503


async def test_fault_08_a_child_that_dies_while_loading_answers_every_waiter_with_its_cause(
    open_client, journal
):
    models = {"bad": model(journal, knobs={"fail_load": 3, "load_s": 0.3}), "good": model(journal)}
    async with open_client(models, max_loaded=1) as client:
        await client.chat("good")
        await client.post("/v1/models/good/unload")
        answers = await asyncio.gather(*(client.chat("bad") for _ in range(5)))
        assert {status for status, _ in answers} == {503}
        assert all("out of memory while loading" in body["error"]["message"] for _, body in answers)
        assert len(client.written("start", "bad")) == 1
        for _ in range(20):
            status, body = await client.chat("bad")
            assert status == 503 and body["error"]["code"] == "model_unavailable"
            await asyncio.sleep(0.02)
        assert len(client.written("start", "bad")) <= 3
        assert (await client.chat("good"))[0] == 200
        assert (await client.get("/stats"))[1]["models"]["bad"]["cause"]


async def test_fault_09_a_child_that_never_becomes_healthy_is_ended_and_its_waiters_hear_504(
    open_client, journal
):
    async with open_client({"a": model(journal, knobs={"never_healthy": True})}, load_s=0.8) as client:
        status, body = await client.chat("a")
        assert (status, body["error"]["type"]) == (504, "timeout_error")
        await client.until(lambda: not client.orphans())


async def test_fault_13_a_client_that_leaves_the_queue_is_not_counted(open_client, journal):
    async with open_client({"a": model(journal, knobs={"load_s": 3.0})}) as client:
        waiting = asyncio.ensure_future(client.chat("a"))
        await client.until(lambda: client.pool.scheduler.queues.queued == 1)
        waiting.cancel()
        await client.until(lambda: client.pool.scheduler.queues.queued == 0)
        assert not client.instance("a").in_flight
        await client.until(lambda: client.instance("a").phase is Phase.READY)
        assert client.written("begin") == []


async def test_fault_18_a_stream_longer_than_the_idle_time_is_never_unloaded(open_client, journal):
    async with open_client({"a": model(journal)}, idle_s=0.4) as client:
        status, said = await client.stream("a", {"tokens": 12, "tok_s": 0.1})
        assert status == 200 and said.endswith(b"data: [DONE]\n\n")
        assert len(client.written("start")) == 1, "unloaded under the stream"
        await client.until(lambda: client.instance("a").phase is Phase.COLD)


async def test_fault_20_a_stranger_on_the_port_is_never_asked(open_client, journal):
    async with open_client({"a": model(journal, knobs={"impostor": True})}, load_s=0.8) as client:
        status, body = await client.chat("a")
        assert status == 504 and body["error"]["source"] == "pool"
        assert client.written("begin") == []


async def test_loading_streams_are_kept_alive_with_comments(open_client, journal):
    async with open_client({"a": model(journal, knobs={"load_s": 2.0})}, keepalive_s=0.2) as client:
        status, said = await client.stream("a")
        assert status == 200
        assert said.startswith(b": keep-alive\n\n") and said.endswith(b"data: [DONE]\n\n")


async def test_a_load_that_fails_after_comments_ends_the_stream_with_an_error_event(open_client, journal):
    models = {"a": model(journal, knobs={"load_s": 2.0, "fail_load": 1})}
    async with open_client(models, keepalive_s=0.2) as client:
        status, said = await client.stream("a")
        last = said.strip().split(b"\n\n")[-1]
        assert status == 200 and b"[DONE]" not in said
        assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "model_unavailable"


async def test_explicit_load_and_unload(open_client, journal):
    async with open_client({"a": model(journal)}) as client:
        status, said = await client.post("/v1/models/a/load")
        assert (status, said["status"]) == (200, "loaded")
        await client.post("/v1/models/a/unload")
        await client.until(lambda: client.instance("a").phase is Phase.COLD)
        assert (await client.get("/v1/models/a"))[1]["status"] == "available"


async def settled(client: Client) -> None:
    still = (Phase.COLD, Phase.FAILED, Phase.READY)
    await client.until(
        lambda: all(instance.phase in still for instance in client.pool.scheduler.instances.values())
    )


@pytest.mark.parametrize("seed", range(4))
async def test_random_kills_and_requests_leave_nothing_behind(open_client, journal, seed):
    """Races of real processes; the state machine's own races are in test_scheduler."""
    source = random.Random(seed)
    models = {name: model(journal, knobs={"tokens": 3, "tok_s": 0.01}) for name in "abc"}
    async with open_client(models, max_loaded=2, queue_wait_s=3.0, idle_s=0.3) as client:

        async def disturb() -> None:
            for _ in range(6):
                await asyncio.sleep(source.uniform(0.05, 0.3))
                engines = list(client.pool.lifecycle.engines.values())
                with contextlib.suppress(ProcessLookupError, IndexError):
                    victim = source.choice(engines).process.pid
                    os.kill(victim, source.choice((signal.SIGKILL, signal.SIGTERM)))

        async def ask() -> int:
            await asyncio.sleep(source.uniform(0, 1.5))
            status, _ = await client.chat(source.choice("abc"))
            return status

        statuses, _ = await asyncio.gather(asyncio.gather(*(ask() for _ in range(40))), disturb())
        assert set(statuses) <= {200, 502, 503}
        await settled(client)
        for name in "abc":
            assert (await client.chat(name))[0] in (200, 503)


async def test_fault_20_a_port_that_somebody_else_took_is_given_up_for_another(
    open_client, journal, monkeypatch
):
    stranger = await asyncio.start_server(answer_anything, "127.0.0.1", 0)
    taken = stranger.sockets[0].getsockname()[1]
    ports = iter([taken])
    monkeypatch.setattr(lifecycle, "free_port", lambda: next(ports, None) or free_port())
    async with stranger, open_client({"a": model(journal)}) as client:
        status, said = await client.chat("a")
        assert status == 200 and said["model"] == "a"
        assert (await client.get("/stats"))[1]["models"]["a"]["port"] != taken


async def answer_anything(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Another service that says yes to everything."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
    await writer.drain()
    writer.close()
