"""A pool on a machine with two GPUs, as NVML would tell it: which of them each engine sees."""

import asyncio
from pathlib import Path

import pytest

from servers.pool.engines import process
from tests.pool.engines.fake_nvml import Card, FakeNvml
from tests.pool.harness import model

GIB = 2**30


@pytest.fixture(autouse=True)
def _two_gpus(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    cards = [Card(uuid=f"GPU-{number}", free=6 * GIB, total=8 * GIB) for number in (0, 1)]
    monkeypatch.setattr("servers.pool.engines.memory.pynvml", FakeNvml(*cards))


def sees(client, name: str) -> str | None:
    """The GPUs that an engine's process sees."""
    engine = client.pool.lifecycle.engines[name]
    pid = process.find(engine.process.nonce, group=engine.process.pid)[-1]
    variables = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return next(
        (each.partition("=")[2] for each in variables if each.startswith("CUDA_VISIBLE_DEVICES")), None
    )


async def test_engines_that_start_at_once_get_a_gpu_each(open_client, journal):
    slow = {"memory_bytes": 4 * GIB, "knobs": {"load_s": 0.3}}
    async with open_client({"a": model(journal, **slow), "b": model(journal, **slow)}) as client:
        answers = await asyncio.gather(client.chat("a"), client.chat("b"))
        assert [status for status, _ in answers] == [200, 200]
        assert {sees(client, "a"), sees(client, "b")} == {"0", "1"}
        assert client.pool.memory.free() == 6 * GIB, "nothing is held back for engines that are there"


async def test_a_model_is_spread_over_the_gpus_that_it_names(open_client, journal):
    models = {
        "wide": model(journal, devices=["1", "0"], memory_bytes=4 * GIB),
        "lost": model(journal, devices=["7"]),
        "large": model(journal, devices=["0"], memory_bytes=7 * GIB),
    }
    async with open_client(models) as client:
        assert (await client.chat("wide"))[0] == 200
        assert sees(client, "wide") == "1,0"
        status, said = await client.chat("lost")
        assert status == 503 and "GPU 7, which is not here; there are 0, 1" in said["error"]["message"]
        await client.post("/v1/models/wide/unload")
        status, said = await client.chat("large")
        assert (status, said["error"]["code"]) == (503, "model_unavailable")
