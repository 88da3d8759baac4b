"""The pool itself ends: asked to, or killed. A pool in a process of its own, with real engines."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager

import aiohttp

from servers.pool import process
from tests.pool.world import make_settings, model, write_catalog

RUN = "from servers.pool.main import run; from tools.settings import load_settings; run(load_settings())"


class Server:
    def __init__(self, settings) -> None:
        self.settings = settings
        self.base = f"http://127.0.0.1:{settings.ports.pool}"
        self.popen = self.spawn()

    def spawn(self) -> subprocess.Popen:
        pool = self.settings.pool
        said = {
            "CAPIBARA6_HOME": str(self.settings.home),
            "CAPIBARA6_PORTS__POOL": str(self.settings.ports.pool),
            "CAPIBARA6_OLLAMA_URL": self.settings.ollama_url,
            "CAPIBARA6_LOG_LEVEL": "WARNING",
            "CAPIBARA6_POOL__CATALOG": str(pool.catalog),
            "CAPIBARA6_POOL__VLLM_PYTHON": str(pool.vllm_python),
            "CAPIBARA6_POOL__UNLOAD_GRACE_S": "1",
        }
        return subprocess.Popen([sys.executable, "-c", RUN], env={**os.environ, **said})

    async def up(self, session: aiohttp.ClientSession) -> None:
        for _ in range(600):
            try:
                async with session.get(f"{self.base}/health/ready") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
        raise AssertionError("the pool did not come up")

    async def exited(self, within: float = 15.0) -> int:
        deadline = time.monotonic() + within
        while self.popen.poll() is None and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert self.popen.returncode is not None, "the pool is still there"
        return self.popen.returncode

    def engines(self) -> list[int]:
        return process.find(f"{self.settings.run_dir}:")


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
    knobs = {"tokens": 15, "tok_s": 0.1}
    models = {"a": model(journal, concurrency=100, knobs=knobs)}
    async with started(tmp_path, models) as (server, session):
        url = f"{server.base}/v1/chat/completions"
        async with session.post(url, json=ask("a")) as response:
            await response.read()

        async def stream() -> bytes:
            async with session.post(url, json=ask("a")) as response:
                return await response.read()

        streams = [asyncio.ensure_future(stream()) for _ in range(100)]
        while journal.read_text().count("begin") < 101:
            await asyncio.sleep(0.02)
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
        began = time.monotonic()
        while server.engines() and time.monotonic() - began < 5:
            await asyncio.sleep(0.02)
        assert server.engines() == [], "an engine outlived its pool"
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
    orphan = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, process.MARK: owner})
    while not process.find(owner):
        await asyncio.sleep(0.01)
    server = Server(settings)
    try:
        async with aiohttp.ClientSession() as session:
            await server.up(session)
        assert orphan.wait(timeout=5) == -signal.SIGKILL
    finally:
        server.popen.kill()
        server.popen.wait()


async def test_sigterm_while_a_model_loads_ends_the_load_too(tmp_path, journal):
    models = {"a": model(journal, knobs={"load_s": 30, "ignore_sigterm": True})}
    async with started(tmp_path, models) as (server, session):
        load = asyncio.ensure_future(session.post(f"{server.base}/v1/models/a/load"))
        while not journal.exists():
            await asyncio.sleep(0.02)
        load.cancel()
        server.popen.send_signal(signal.SIGTERM)
        assert await server.exited() == 0
        assert server.engines() == []
