"""A pool of its own for one model, which ends with the block: how a model is tried before it is added."""

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import tomlkit

from servers.pool.engines import process
from servers.pool.engines.process import Process
from tools.clients.pool import Pool, open_pool
from tools.errors import Capibara6Error, Unavailable
from tools.schema import JsonObject
from tools.sections import Hosts
from tools.settings import Settings

START_S = 60.0
END_S = 20.0
POLL_S = 0.1
SETTING = ("CAPIBARA6_", "VLLM_URL", "VLLM_MODELS", "OLLAMA_URL")
"""How variables begin that are settings: the trial's pool is told its own."""


@asynccontextmanager
async def open_trial(settings: Settings, models: JsonObject) -> AsyncIterator[Pool]:
    """A client of a pool process that has `models` (entries by id) alone; its files are gone at the end.

    Raises Unavailable with the pool's last words when it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="capibara6-trial-") as folder:
        trial = _settings(settings, Path(folder), models)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(SETTING)}
        running = process.spawn(
            [sys.executable, "-m", "servers", "serve", "pool"],
            env={**inherited, **trial.environment()},
            nonce=process.new_nonce(),
            owner=f"trial:{folder}",
            log=trial.log_dir / "pool.log",
        )
        try:
            async with open_pool(trial) as pool:
                await _wait_ready(pool, running)
                yield pool
        finally:
            await running.end(END_S)


def _settings(settings: Settings, folder: Path, models: JsonObject) -> Settings:
    catalog = folder / "models.toml"
    catalog.write_text(tomlkit.dumps({"built_in": False, "models": models}), encoding="utf-8")
    given = settings.pool
    pool = given.model_copy(
        update={
            "catalog": catalog,
            "weights": given.weights.absolute(),
            "vllm_python": given.vllm_python.absolute(),
            "queue_wait_s": given.load_s,
        }
    )
    here = {"home": folder, "host": "127.0.0.1", "hosts": Hosts(), "vllm_url": None, "pool": pool}
    return settings.model_copy(
        update={**here, "ports": settings.ports.model_copy(update={"pool": _free_port()})}
    )


async def _wait_ready(pool: Pool, running: Process) -> None:
    deadline = asyncio.get_running_loop().time() + START_S
    while running.alive and asyncio.get_running_loop().time() < deadline:
        try:
            await pool.stats()
        except Capibara6Error:
            await asyncio.wait({running.exit}, timeout=POLL_S)
        else:
            return
    raise Unavailable(f"the pool for the trial did not start: {running.log_tail()}", source="pool")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
