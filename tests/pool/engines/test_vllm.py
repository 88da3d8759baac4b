"""The pool with real vLLM: tiny random models, three slots, everything that the fake engine only imitates."""

import asyncio
import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from servers.pool.engines import process, sockets
from tests.pool.harness import Server, make_settings, write_catalog

PYTHON = Path(__file__).parents[3] / ".venv-vllm/bin/python"
MAKER = Path(__file__).parents[1] / "tiny.py"
NAMES = ("phi4_fast", "mistral_balanced", "qwen_coder", "gptoss_complex")
ARGS = [
    "--max-model-len",
    "32768",
    "--max-num-seqs",
    "8",
    "--enable-auto-tool-choice",
    "--tool-call-parser",
    "hermes",
]
POOLING = ["--runner", "pooling", "--convert", "embed"]
ENGINES = 6 * 2**30
# A tiny model writes a thousand tokens a second: nobody may be able to wait for the last of these.
LONG = {"max_tokens": 30_000, "ignore_eos": True, "temperature": 0}

BOOLEAN = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        not PYTHON.exists(), reason=f"no vLLM environment at {PYTHON}: build it with `make vllm`"
    ),
    pytest.mark.skipif(
        psutil.virtual_memory().available < ENGINES, reason="three engines need 6 GiB of free memory"
    ),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A pool process over four tiny models; at its end no engine may be left."""
    home = tmp_path_factory.mktemp("vllm")
    quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    subprocess.run(
        [PYTHON, MAKER, home / "tiny"], check=True, env={**os.environ, **quiet}, capture_output=True
    )
    entry = {"backend": "vllm", "weights": "tiny", "kv_bytes": 64 * 2**20, "args": ARGS}
    models = {name: {**entry} for name in NAMES}
    models["gptoss_complex"]["idle_s"] = 4.0
    models["embedder"] = {
        **entry,
        "kind": "embedding",
        "args": [*ARGS[:4], *POOLING],
    }
    catalog = write_catalog(home / "models.toml", models)
    waits: dict[str, Any] = {
        "queue_wait_s": 600.0,
        "load_s": 600.0,
        "first_token_s": 120.0,
        "unload_grace_s": 5.0,
    }
    settings = make_settings(home / "home", catalog, vllm_python=PYTHON, weights=home, **waits)
    running = Server(settings)
    asyncio.run(_up(running))
    yield running
    running.popen.terminate()
    running.popen.wait()


async def _up(server: Server) -> None:
    async with aiohttp.ClientSession() as session:
        await server.up(session)


async def ask(session, server, name, *, stream=False, **more):
    body = {"model": name, "messages": [{"role": "user", "content": "def main():"}], "max_tokens": 8, **more}
    url = f"{server.base}/v1/chat/completions"
    async with session.post(url, json={**body, "stream": stream}) as response:
        return response.status, await (response.read() if stream else response.json())


async def stats(session, server):
    async with session.get(f"{server.base}/stats") as response:
        return await response.json()


async def until(session, server, name, state, within=120.0):
    deadline = time.monotonic() + within
    while (found := (await stats(session, server))["models"][name]["state"]) != state:
        assert time.monotonic() < deadline, f"{name} is {found}, not {state}"
        await asyncio.sleep(0.2)


async def test_three_models_load_at_once_and_answer(server):
    async with aiohttp.ClientSession() as session:
        first = await asyncio.gather(*(ask(session, server, name) for name in NAMES[:3]))
        assert [status for status, _ in first] == [200, 200, 200], first
        assert [body["model"] for _, body in first] == list(NAMES[:3])
        said = await stats(session, server)
        assert said["slots"] == {"total": 3, "used": 3}
        assert all(said["models"][name]["memory"] > 2**28 for name in NAMES[:3])


async def test_streaming_usage_and_json_pass_through(server):
    async with aiohttp.ClientSession() as session:
        options = {"stream_options": {"include_usage": True}}
        status, said = await ask(session, server, "phi4_fast", stream=True, **options)
        events = said.strip().split(b"\n\n")
        assert status == 200 and events[-1] == b"data: [DONE]"
        assert json.loads(events[-2][6:])["usage"]["completion_tokens"] <= 8
        shape = {"type": "json_schema", "json_schema": {"name": "x", "schema": BOOLEAN}}
        _, body = await ask(session, server, "phi4_fast", response_format=shape, max_tokens=40)
        assert body["choices"][0]["message"]["content"].lstrip().startswith("{")
        choice = {"choice": ["sí", "no"]}
        _, body = await ask(session, server, "phi4_fast", structured_outputs=choice)
        assert body["choices"][0]["message"]["content"] in choice["choice"]
        status, body = await ask(session, server, "phi4_fast", max_tokens=100_000)
        assert status == 400, "the engine's own complaint reaches the client"


async def test_leaving_clients_cancel_the_engine(server):
    async with aiohttp.ClientSession() as session:
        port = (await stats(session, server))["models"]["phi4_fast"]["port"]
        for stream in (True, False):
            before = await metric(session, port, "generation_tokens_total")
            waiting = asyncio.ensure_future(ask(session, server, "phi4_fast", stream=stream, **LONG))
            await reached(lambda: metric(session, port, "num_requests_running"), 1)
            waiting.cancel()
            await reached(lambda: metric(session, port, "num_requests_running"), 0)
            written = await metric(session, port, "generation_tokens_total") - before
            assert written < LONG["max_tokens"], "vLLM went on without a client"
        assert (await ask(session, server, "phi4_fast"))[0] == 200


async def reached(look, value: float) -> None:
    deadline = time.monotonic() + 120
    while await look() != value:
        assert time.monotonic() < deadline, f"never became {value}"
        await asyncio.sleep(0.02)


async def metric(session, port: int, name: str) -> float:
    """What vLLM itself says it runs or has written."""
    async with session.get(f"http://127.0.0.1:{port}/metrics") as response:
        lines = (await response.text()).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"vllm:{name}"))


async def test_further_models_evict_idle_ones_and_a_pooling_model_embeds(server):
    async with aiohttp.ClientSession() as session:
        request = {"model": "embedder", "input": ["hola", "adiós"]}
        url = f"{server.base}/v1/embeddings"
        fourth = asyncio.ensure_future(ask(session, server, NAMES[3]))
        async with session.post(url, json=request) as response:
            body = await response.json()
        assert response.status == 200 and [len(item["embedding"]) for item in body["data"]] == [64, 64]
        assert (await fourth)[0] == 200
        assert (await ask(session, server, "embedder"))[0] == 400
        said = await stats(session, server)
        assert [said["models"][name]["evictions"] for name in NAMES[:3]].count(1) == 2
        await until(session, server, NAMES[3], "cold")
        assert any(event.get("why") == "idle" for event in (await stats(session, server))["events"])


async def test_a_killed_engine_is_an_error_event_and_it_and_the_evicted_one_come_back(server):
    async with aiohttp.ClientSession() as session:
        rows = (await stats(session, server))["models"]
        victim = next(name for name in NAMES[:3] if not rows[name]["evictions"])
        evicted = next(name for name in NAMES[:3] if rows[name]["evictions"])
        mates = [
            pid for pid in server.engines() if process._group(pid) == process._group(rows[victim]["pid"])
        ]
        cores = [pid for pid in mates if "VLLM::EngineCore" in title(pid)]
        assert cores, [title(pid) for pid in mates]
        body = {"model": victim, "messages": [{"role": "user", "content": "x"}], "stream": True, **LONG}
        async with session.post(f"{server.base}/v1/chat/completions", json=body) as response:
            said = await response.content.readany()
            os.kill(cores[-1], signal.SIGKILL)
            said += await response.content.read()
        assert response.status == 200 and b"[DONE]" not in said and b'"finish_reason":"abort"' not in said
        last = said.strip().split(b"\n\n")[-1]
        assert json.loads(last.removeprefix(b"data: "))["error"]["type"] == "upstream_error"
        answers = await asyncio.gather(*(ask(session, server, name) for name in (victim, evicted)))
        assert [status for status, _ in answers] == [200, 200], answers


def title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")


async def test_unloading_everything_and_during_a_start_gives_the_memory_back(server):
    async with aiohttp.ClientSession() as session:
        names = [*NAMES, "embedder"]
        before = await stats(session, server)
        taken = sum(row["memory"] for row in before["models"].values() if row["state"] == "ready")
        assert taken > 2**30
        for name in names:
            async with session.post(f"{server.base}/v1/models/{name}/unload") as response:
                assert response.status == 200
        for name in names:
            await until(session, server, name, "cold")
        assert server.engines() == []

        async def back() -> bool:
            free = (await stats(session, server))["memory_free"]
            return free - before["memory_free"] > taken / 2

        await reached(back, True)
        load = asyncio.ensure_future(session.post(f"{server.base}/v1/models/qwen_coder/load"))
        await until(session, server, "qwen_coder", "starting")
        await asyncio.sleep(2.0)
        async with session.post(f"{server.base}/v1/models/qwen_coder/unload") as response:
            assert response.status == 200
        await until(session, server, "qwen_coder", "cold")
        assert (await load).status == 503
        assert server.engines() == []


async def test_sigterm_during_a_start_ends_pool_and_engine(server):
    async with aiohttp.ClientSession() as session:
        load = asyncio.ensure_future(session.post(f"{server.base}/v1/models/qwen_coder/load"))
        await until(session, server, "qwen_coder", "starting")
        await asyncio.sleep(2.0)
        assert server.engines()
        load.cancel()
    server.popen.send_signal(signal.SIGTERM)
    assert await server.exited() == 0
    assert server.engines() == [], "engines outlived the pool"
    owner = f"{server.settings.run_dir}:{server.settings.ports.pool}"
    assert not list(Path(tempfile.gettempdir()).glob(f"{sockets._prefix(owner)}*")), "sockets outlived them"
