"""Rows of the fault table against the small real engine: two seeds in every run, a hundred in the soak.

A seed decides what is random about a row: who asks, when the blow falls, how the engine misbehaves.
"""

import asyncio
import json
import os
import random
import signal
from pathlib import Path

import aiohttp
import pytest

from servers.pool.engines import lifecycle, process
from servers.pool.scheduling.instance import Phase
from tests.pool.harness import Client, Server, free_port, make_settings, model, until, write_catalog

USUAL, ALL = 2, 100
LONG = {"tokens": 2_000, "tok_s": 0.02}


def seeded(usual: int = USUAL):
    """Seeds of which only the first few belong to a usual run."""
    return pytest.mark.parametrize(
        "seed", [pytest.param(n, marks=[pytest.mark.soak] if n >= usual else []) for n in range(ALL)]
    )


async def begun(client: Client, count: int = 1) -> None:
    await client.until(lambda: len(client.written("begin")) >= count)


def kill(client: Client, name: str) -> None:
    watchdog = client.pool.lifecycle.engines[name].process.pid
    os.kill(process.children(watchdog)[0], signal.SIGKILL)


def failed(said: bytes) -> bool:
    """A stream that ended with an error event and nothing that looks like a good end."""
    last = said.strip().split(b"\n\n")[-1].removeprefix(b"data: ")
    return b"[DONE]" not in said and b'"stop"' not in said and "error" in json.loads(last)


def lives(pid: str) -> bool:
    """Whether it still runs; nobody may be there to collect what is left of it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@seeded()
async def test_fault_07_a_killed_engine_is_an_error_for_all_it_served_and_reloads(open_client, journal, seed):
    source = random.Random(seed)
    async with open_client({"a": model(journal, knobs=LONG)}) as client:
        streams = [asyncio.ensure_future(client.stream("a")) for _ in range(source.randint(1, 3))]
        wholes = [asyncio.ensure_future(client.chat("a")) for _ in range(source.randint(0, 3))]
        await begun(client, len(streams) + len(wholes))
        await asyncio.sleep(source.uniform(0, 0.3))
        kill(client, "a")
        for status, said in await asyncio.gather(*streams):
            assert status == 502 or (status == 200 and failed(said)), f"seed {seed}: {status} {said[-300:]}"
        for status, body in await asyncio.gather(*wholes):
            assert (status, body["error"]["type"]) == (502, "upstream_error"), f"seed {seed}"
        assert (await client.chat("a", {"tokens": 1}))[0] == 200, f"seed {seed}: it does not come back"


@seeded()
async def test_fault_08_a_load_that_dies_is_told_to_every_waiter_at_once(open_client, journal, seed):
    source = random.Random(seed)
    knobs = {"fail_load": source.randint(1, 100), "load_s": source.uniform(0, 0.3)}
    async with open_client({"a": model(journal, knobs=knobs)}) as client:
        answers = await asyncio.gather(*(client.chat("a") for _ in range(source.randint(1, 8))))
        assert {status for status, _ in answers} == {503}, f"seed {seed}"
        assert len({body["error"]["code"] for _, body in answers}) == 1
        assert len(client.written("start")) <= 3


@seeded()
async def test_fault_09_a_child_that_never_becomes_healthy_is_ended_with_its_group(
    open_client, journal, seed
):
    source = random.Random(seed)
    knobs = {"never_healthy": True, "ignore_sigterm": source.random() < 0.5}
    models = {"a": model(journal, knobs=knobs)}
    async with open_client(models, load_s=source.uniform(0.05, 0.8), unload_grace_s=0.1) as client:
        answers = await asyncio.gather(*(client.chat("a") for _ in range(source.randint(1, 5))))
        assert {status for status, _ in answers} == {504}, f"seed {seed}"
        await client.until(lambda: not client.instance("a").holds_slot and not client.orphans())


@seeded()
async def test_fault_11_a_deaf_engine_and_its_grandchild_never_survive_an_unload(open_client, journal, seed):
    source = random.Random(seed)
    knobs = {"ignore_sigterm": True, "fork_grandchild": True, "load_s": source.choice((0.0, 0.5))}
    grace = source.uniform(0, 0.2)
    async with open_client({"a": model(journal, knobs=knobs)}, unload_grace_s=grace) as client:
        load = asyncio.ensure_future(client.post("/v1/models/a/load"))
        await client.until(lambda: client.written("grandchild"))
        if source.random() < 0.5:
            await load
        await asyncio.sleep(source.uniform(0, 0.3))
        await client.post("/v1/models/a/unload")
        await client.until(lambda: client.instance("a").phase is Phase.COLD)
        await load
        grandchild = client.written("grandchild")[0].split()[0].partition("=")[2]
        assert client.orphans() == [] and not lives(grandchild), f"seed {seed}"


@pytest.mark.parametrize("stream", [True, False], ids=["12", "14"])
@seeded()
async def test_fault_12_and_14_clients_that_leave_at_any_moment_free_the_engine(
    open_client, journal, seed, stream
):
    source = random.Random(seed)
    async with open_client({"a": model(journal, knobs=LONG)}) as client:
        asking = [client.stream("a") if stream else client.chat("a") for _ in range(source.randint(1, 5))]
        waiting = [asyncio.ensure_future(each) for each in asking]
        await begun(client, len(waiting))
        for each in waiting:
            await asyncio.sleep(source.uniform(0, 0.2))
            each.cancel()
        await client.until(lambda: len(client.written("cancelled")) == len(waiting))
        await client.until(lambda: not client.instance("a").in_flight)
        assert (await client.chat("a", {"tokens": 1}))[0] == 200, f"seed {seed}"


@seeded()
async def test_fault_13_who_leaves_the_queue_is_forgotten_and_the_rest_is_served(open_client, journal, seed):
    source = random.Random(seed)
    models = {"a": model(journal, knobs={"load_s": 0.5}, concurrency=source.randint(1, 4))}
    async with open_client(models) as client:
        waiting = [asyncio.ensure_future(client.chat("a")) for _ in range(8)]
        await asyncio.sleep(source.uniform(0, 0.8))
        leaving = source.sample(waiting, source.randint(1, 7))
        for each in leaving:
            each.cancel()
        staying = [each for each in waiting if each not in leaving]
        assert {status for status, _ in await asyncio.gather(*staying)} == {200}, f"seed {seed}"
        await client.until(
            lambda: not client.pool.scheduler.queues.queued and not client.instance("a").in_flight
        )


@seeded(1)
async def test_fault_17_nothing_outlives_a_pool_killed_at_any_moment(tmp_path, journal, seed):
    source = random.Random(seed)
    knobs = {"ignore_sigterm": True, "fork_grandchild": True, "load_s": source.choice((0.0, 0.5))}
    catalog = write_catalog(tmp_path / "models.toml", {"a": model(journal, knobs=knobs)})
    server = Server(make_settings(tmp_path / "home", catalog))
    ask = {"model": "a", "messages": [{"role": "user", "content": json.dumps({"tokens": 1})}]}
    try:
        async with aiohttp.ClientSession() as session:
            await server.up(session)
            load = asyncio.ensure_future(session.post(f"{server.base}/v1/models/a/load"))
            await until(journal.exists)
            await asyncio.sleep(source.uniform(0, 0.8))
            server.popen.kill()
            server.popen.wait()
            await asyncio.gather(load, return_exceptions=True)
            server.popen = server.spawn()
            await server.up(session)
            await until(lambda: not server.engines())
            async with session.post(f"{server.base}/v1/chat/completions", json=ask) as response:
                assert response.status == 200, f"seed {seed}"
    finally:
        server.popen.terminate()
        server.popen.wait()


@seeded()
async def test_fault_18_idle_time_counts_from_the_end_of_the_last_stream(open_client, journal, seed):
    source = random.Random(seed)
    idle = source.uniform(0.3, 0.6)
    async with open_client({"a": model(journal)}, idle_s=idle) as client:
        asks = [client.stream("a", {"tokens": source.randint(10, 40), "tok_s": 0.03}) for _ in range(3)]
        for status, said in await asyncio.gather(*asks):
            assert status == 200 and said.endswith(b"data: [DONE]\n\n"), f"seed {seed}"
        assert len(client.written("start")) == 1, f"seed {seed}: unloaded under a stream"
        await client.until(lambda: client.instance("a").phase is Phase.COLD)


@seeded()
async def test_fault_20_whoever_holds_the_port_is_never_asked(open_client, journal, monkeypatch, seed):
    source, heard = random.Random(seed), list[bytes]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n"))
        body = source.choice((b"{}", b'{"data":[{"id":"a"}]}', b"x"))
        writer.write(
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )
        writer.close()

    stranger = await asyncio.start_server(answer, "127.0.0.1", 0)
    ports = iter([stranger.sockets[0].getsockname()[1]] * source.randint(1, 2))
    monkeypatch.setattr(lifecycle, "free_port", lambda: next(ports, None) or free_port())
    async with stranger, open_client({"a": model(journal)}) as client:
        status, said = await client.chat("a")
        assert (status, said["model"]) == (200, "a"), f"seed {seed}"
        assert not any(line.startswith(b"POST") for line in heard), f"seed {seed}: {heard}"
