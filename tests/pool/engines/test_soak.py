"""Long runs with real processes: a hundred seeds of kills and leaving clients, and many requests."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from pathlib import Path

import psutil
import pytest

from servers.pool.engines import process
from servers.pool.scheduling.instance import Phase
from tests.pool.harness import model
from tests.pool.http.test_fault_app import call

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]
ENGINE = Path(__file__).parents[2] / "bench" / "parts" / "pool.py"


@pytest.mark.parametrize("seed", range(100))
async def test_engines_killed_at_any_moment_cost_answers_but_never_the_model(open_client, journal, seed):
    source = random.Random(seed)
    knobs = {
        "tokens": 10,
        "tok_s": 0.02,
        "ttft_s": source.choice((0.0, 0.1)),
        "load_s": source.choice((0.0, 0.2)),
    }
    deaf = {"ignore_sigterm": True, "fork_grandchild": True} if seed % 2 else {}
    async with open_client({"a": model(journal, knobs={**knobs, **deaf})}, unload_grace_s=0.1) as client:

        async def ask(stream: bool) -> None:
            await asyncio.sleep(source.uniform(0, 0.5))
            asked = asyncio.ensure_future(client.stream("a") if stream else client.chat("a"))
            if source.random() < 0.3:
                await asyncio.sleep(source.uniform(0, 0.6))
                asked.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                status, said = await asked
                assert status in (200, 502, 503), f"seed {seed}: {status}"
                if stream and status == 200:
                    assert (b"[DONE]" in said) != (b'"error"' in said), f"seed {seed}: neither end nor error"

        async def strike() -> None:
            await asyncio.sleep(source.uniform(0.2, 1.0))
            for engine in list(client.pool.lifecycle.engines.values()):
                for pid in process.children(engine.process.pid) or [engine.process.pid]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, source.choice((signal.SIGKILL, signal.SIGTERM)))

        await asyncio.gather(*(ask(source.random() < 0.5) for _ in range(12)), strike(), strike())
        instance = client.instance("a")
        # A process just killed answers nobody, and its end is not known to anybody yet.
        await asyncio.sleep(1.0)
        await client.until(
            lambda: instance.phase in (Phase.COLD, Phase.READY, Phase.FAILED) and not instance.in_flight
        )
        instance.until = 0.0
        assert (await client.chat("a"))[0] == 200, f"seed {seed}: the model does not come back"


async def test_memory_is_flat_over_a_hundred_thousand_requests(open_client):
    line = [
        sys.executable,
        str(ENGINE),
        "engine",
        "--port",
        "{port}",
        "--name",
        "{name}",
        "--nonce",
        "{nonce}",
    ]
    entry = {"backend": "vllm", "command": line, "concurrency": 64}
    sent = b'{"model":"m","messages":[{"role":"user","content":"hola"}]}'
    async with open_client({"m": entry}) as client:

        async def many(count: int) -> None:
            for _ in range(count):
                assert (await call(client.app, "/v1/chat/completions", sent))[0] == 200

        await asyncio.gather(*(many(500) for _ in range(32)))
        before = psutil.Process().memory_info().rss
        await asyncio.gather(*(many(3200) for _ in range(32)))
        assert psutil.Process().memory_info().rss - before < 8 * 2**20
