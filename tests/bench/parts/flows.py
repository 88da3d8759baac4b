"""The parts of `tests.bench.flows`: what a warmed model saves, and what four workers are worth over one.

Not a benchmark by itself.
"""

import asyncio
import os
import subprocess
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

from prefect import flow

from flows.ingest import load
from flows.ingestion.runners import open_executor
from flows.ingestion.sources import find
from flows.warm import warm
from tests.pool.harness import Server, make_settings, write_catalog
from tools.clients.pool import open_pool
from tools.errors import Capibara6Error
from tools.settings import Settings

TINY = Path(__file__).parents[2] / "pool" / "tiny.py"
ARGS = ["--max-model-len", "1024", "--max-num-seqs", "8"]
PAGES = 16
PARAGRAPHS = 2_000


def write_pages(folder: Path) -> None:
    """HTML pages whose parsing, in a process each, is nothing but CPU."""
    folder.mkdir(parents=True)
    for number in range(PAGES):
        body = "".join(f"<p>Párrafo {n} de la <b>página</b> {number}.</p>" for n in range(PARAGRAPHS))
        (folder / f"{number:03}.html").write_text(f"<title>{number}</title>{body}", encoding="utf-8")


@flow(name="bench_map", validate_parameters=False)
async def spread(settings: Settings, folder: str) -> float:
    """Seconds to read every page, the cluster's own start not counted."""
    files = find([folder]).files
    with open_executor(settings) as heavy:
        first = [heavy(load, batch=[files[0]], settings=settings, first="up") for _ in range(heavy.workers)]
        await asyncio.gather(*first)
        started = time.monotonic()
        await asyncio.gather(
            *(heavy(load, batch=[found], settings=settings, first=found.id) for found in files)
        )
        return time.monotonic() - started


async def speed_up(settings: Settings, home: Path) -> None:
    """Four Dask workers over one, and over threads here."""
    write_pages(home / "pages")
    taken: dict[str, float] = {}
    for runner, workers in (("dask", 1), ("dask", 4), ("threads", 4)):
        bounds = settings.flows.model_copy(update={"workers": workers})
        changed = settings.model_copy(update={"task_runner": runner, "flows": bounds})
        taken[f"{runner} {workers}"] = await spread(changed, str(home / "pages"))
        print(f"{runner} with {workers} workers: {taken[f'{runner} {workers}']:.2f} s", flush=True)
    ratio = taken["dask 1"] / taken["dask 4"]
    print(f"{PAGES} pages, {os.cpu_count()} cores: four Dask workers are {ratio:.2f} times as fast as one")


async def first_token(settings: Settings) -> float:
    """Milliseconds to the first token of a user's question."""
    async with open_pool(settings) as pool:
        started = time.monotonic()
        question = [{"role": "user", "content": "Hola"}]
        async with aclosing(pool.chat(question, model="phi4_fast", max_tokens=4)) as tokens:
            await anext(tokens)
            return (time.monotonic() - started) * 1_000


async def warmed(settings: Settings, home: Path) -> None:
    """The user's first token when nobody warmed the model, and when flow `warm` did: real vLLM if built."""
    python = Path(".venv-vllm/bin/python").absolute()
    quiet = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    if python.exists():
        command = [str(python), str(TINY), str(home / "tiny")]
        await asyncio.to_thread(subprocess.run, command, check=True, env=quiet, capture_output=True)
        entry = {"backend": "vllm", "weights": "tiny", "kv_bytes": 64 * 2**20, "args": ARGS}
        kind = "real vLLM, a tiny model"
    else:
        entry, kind = {"knobs": {"load_s": 5.0}}, "a child that sleeps 5 s: no .venv-vllm here"
    waits = {"queue_wait_s": 600.0, "load_s": 600.0, "first_token_s": 120.0}
    catalog = write_catalog(home / "models.toml", {"phi4_fast": entry})
    place: dict[str, Any] = {"vllm_python": python, "weights": home} if python.exists() else {}
    pool = make_settings(home / "pool", catalog, None, **place, **waits)
    server = Server(pool)
    try:
        await _until_up(pool)
        cold = await first_token(pool)
        async with open_pool(pool) as client:
            await client.unload("phi4_fast")
        merged = settings.model_copy(
            update={"ports": settings.ports.model_copy(update={"pool": pool.ports.pool})}
        )
        os.environ.update(merged.environment())
        started = time.monotonic()
        rows = await warm(models=["phi4_fast"], voices=False, collections=False)
        spent = time.monotonic() - started
        warm_ms = await first_token(pool)
        print(f"flow warm took {spent:.1f} s: {rows}")
        print(f"first token, {kind}: cold {cold:.0f} ms, warmed {warm_ms:.0f} ms, ratio {cold / warm_ms:.0f}")
    finally:
        server.popen.terminate()
        server.popen.wait()
        os.environ.update(settings.environment())


async def _until_up(settings: Settings) -> None:
    async with open_pool(settings) as pool:
        for _ in range(600):
            try:
                await pool.stats()
            except Capibara6Error:
                await asyncio.sleep(0.2)
                continue
            return
    raise AssertionError("the pool did not start")
