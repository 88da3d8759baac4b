"""The pool itself ends: asked to, or killed. A pool in a process of its own, with real engines."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager

import aiohttp

from servers.pool.engines import process
from servers.pool.engines.pidfile import Pidfile
from tests.pool.harness import Server, make_settings, model, until, write_catalog


@asynccontextmanager
async def started(tmp_path, models):
    catalog = write_catalog(tmp_path / "models.toml", models)
    server = Server(make_settings(tmp_path / "home", catalog))
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await server.up(session)
            yield server, session
    finally:
        server.popen.kill()
        server.popen.wait()


def ask(name: str) -> dict:
    return {"model": name, "stream": True, "messages": [{"role": "user", "content": "x"}]}


async def test_fault_16_sigterm_lets_a_hundred_streams_finish_and_exits_0(tmp_path, journal):
    knobs = {"tokens": 60, "tok_s": 0.1}
    models = {"a": model(journal, concurrency=100, knobs=knobs)}
    async with started(tmp_path, models) as (server, session):
        url = f"{server.base}/v1/chat/completions"
        async with session.post(url, json=ask("a")) as response:
            await response.read()

        async def stream() -> bytes:
            async with session.post(url, json=ask("a")) as response:
                return await response.read()

        streams = [asyncio.ensure_future(stream()) for _ in range(100)]
        await until(lambda: journal.read_text().count("begin") == 101)
        server.popen.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.1)
        async with session.get(f"{server.base}/health/ready") as response:
            assert response.status == 503
        async with session.post(url, json=ask("a")) as response:
            assert (response.status, response.headers["connection"]) == (503, "close")
            assert (await response.json())["error"]["code"] == "draining"
        answers = await asyncio.gather(*streams)
        assert all(said.endswith(b"data: [DONE]\n\n") for said in answers)
        assert await server.exited() == 0
        assert server.engines() == []


async def test_fault_17_engines_die_with_a_killed_pool_and_a_new_one_serves(tmp_path, journal):
    models = {"a": model(journal, knobs={"ignore_sigterm": True, "fork_grandchild": True, "tokens": 1})}
    async with started(tmp_path, models) as (server, session):
        async with session.post(f"{server.base}/v1/chat/completions", json=ask("a")) as response:
            assert response.status == 200
        assert server.engines()
        server.popen.kill()
        server.popen.wait()
        await until(lambda: not server.engines())
        server.popen = server.spawn()
        await server.up(session)
        async with session.post(f"{server.base}/v1/chat/completions", json=ask("a")) as response:
            assert response.status == 200


async def test_fault_17_what_an_earlier_pool_left_behind_is_ended_at_start(tmp_path):
    mark = f"{(tmp_path / 'home' / 'run').absolute()}:"
    catalog = write_catalog(tmp_path / "models.toml", {"m": {"backend": "extractive"}})
    settings = make_settings(tmp_path / "home", catalog)
    owner = f"{mark}{settings.ports.pool}:nonce"
    code = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    orphan = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", code], env={**os.environ, process.MARK: owner}
    )
    await until(lambda: process.find(owner))
    server = Server(settings)
    try:
        async with aiohttp.ClientSession() as session:
            await server.up(session)
        assert orphan.wait(timeout=60) == -signal.SIGKILL
    finally:
        server.popen.kill()
        server.popen.wait()


async def test_sigterm_while_a_model_loads_ends_the_load_too(tmp_path, journal):
    models = {"a": model(journal, knobs={"load_s": 30, "ignore_sigterm": True})}
    async with started(tmp_path, models) as (server, session):
        load = asyncio.ensure_future(session.post(f"{server.base}/v1/models/a/load"))
        await until(journal.exists)
        load.cancel()
        server.popen.send_signal(signal.SIGTERM)
        assert await server.exited() == 0
        assert server.engines() == []


async def test_fault_17_an_engine_that_lost_its_mark_and_its_guard_is_found_by_its_group(tmp_path):
    """vLLM renames its processes, which overwrites the environment that carries the mark."""
    settings = make_settings(
        tmp_path / "home", write_catalog(tmp_path / "m.toml", {"m": {"backend": "extractive"}})
    )
    pidfile = Pidfile(settings.run_dir / f"pool-{settings.ports.pool}.groups")
    code = "import os,time; os.fork() or time.sleep(600); time.sleep(600)"
    leader = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)  # noqa: ASYNC220
    stranger = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)  # noqa: ASYNC220
    await until(lambda: all(len(process.find("\0", group=each.pid)) == 2 for each in (leader, stranger)))
    pidfile.add(leader.pid)
    pidfile.add(stranger.pid)
    leader.kill()
    leader.wait()
    server = Server(settings)
    try:
        async with aiohttp.ClientSession() as session:
            await server.up(session)
        assert process.find("\0", group=leader.pid) == []
        assert len(process.find("\0", group=stranger.pid)) == 2, "a number in other hands is not touched"
    finally:
        os.killpg(stranger.pid, signal.SIGKILL)
        stranger.wait()
        server.popen.kill()
        server.popen.wait()
