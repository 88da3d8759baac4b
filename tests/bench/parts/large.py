"""A part of `tests.bench.flows`: the memory that one large text and one long PDF take, process by process.

Peaks of proportional set size (PSS), sampled. Not a benchmark by itself.
"""

import asyncio
import random
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import psutil

from tests.bench.parts.running import Running
from tests.flows.ingestion.made_files import write_pdf
from tools.clients.bridge import open_bridge
from tools.clients.prefect import open_prefect
from tools.settings import Settings

TEXT_BYTES, PAGES, LINES = 20_000_000, 1_000, 50
SAMPLED_S = 0.3
WORDS = (
    "contrato plazo meses denuncia parte firma pago aceite feria camión puerta norte precio entrega".split()
)


def write_large(folder: Path) -> dict[str, Path]:
    """A text of `TEXT_BYTES` and a PDF of `PAGES` full pages; every sentence is another."""
    chance = random.Random(1)

    def sentence(number: int) -> str:
        return f"{number} {' '.join(chance.choices(WORDS, k=10))}.".capitalize()

    folder.mkdir()
    paths = {"text": folder / "largo.txt", "pdf": folder / "largo.pdf"}
    with paths["text"].open("w", encoding="utf-8") as file:
        number = 0
        while file.tell() < TEXT_BYTES:
            file.write(" ".join(sentence(number + at) for at in range(6)) + "\n\n")
            number += 6
    pages = [
        [(40, 780 - 14 * row, sentence(LINES * page + row)) for row in range(LINES)] for page in range(PAGES)
    ]
    paths["pdf"].write_bytes(write_pdf(pages))
    return paths


async def large(product: Running, home: Path) -> None:
    """Ingest both as `capibara6 ingest` does, and say how much memory each process took at its most."""
    bridge = psutil.Process(product.processes["bridge"].pid)
    worker = psutil.Process(product.processes["worker"].pid)
    for kind, path in write_large(home / "large").items():
        before, peaks, started = _pss(bridge), defaultdict[str, int](int), time.monotonic()
        watching = asyncio.create_task(_watch(peaks, bridge, worker))
        try:
            documents = await _ingested(product.settings, path, f"large_{kind}")
        finally:
            watching.cancel()
        seconds, size = time.monotonic() - started, path.stat().st_size / 1e6
        print(f"{kind} of {size:.1f} MB: {documents} documents in {seconds:.0f} s; most PSS in MB: ", end="")
        print(f"{dict(sorted(peaks.items()))}, the bridge had {before} before", flush=True)


async def _ingested(settings: Settings, path: Path, collection: str) -> int:
    async with open_prefect(settings) as prefect, open_bridge(settings) as bridge:
        run = await prefect.start("ingest", {"sources": [str(path)], "collection": collection})
        run = await prefect.wait(run.id, timeout=7_200)
        assert run.state == "COMPLETED", run.message
        return len(await bridge.documents(collection=collection))


async def _watch(peaks: dict[str, int], bridge: psutil.Process, worker: psutil.Process) -> None:
    while True:
        peaks["bridge"] = max(peaks["bridge"], _pss(bridge))
        for process in worker.children(recursive=True):
            with suppress(psutil.Error):
                command = " ".join(process.cmdline())
                for name, mark in (("parser", "flows.ingestion.sandbox"), ("flow", "prefect.engine")):
                    if mark in command:
                        peaks[name] = max(peaks[name], _pss(process))
        await asyncio.sleep(SAMPLED_S)


def _pss(process: psutil.Process) -> int:
    """Megabytes: what is shared counts by the part that is a process's own."""
    return process.memory_full_info().pss >> 20
