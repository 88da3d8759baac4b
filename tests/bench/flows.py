"""What the flow costs over calling the bridge directly, and what Prefect itself costs.

With it: what a second ingestion costs (`parts/again.py`), what a warmed model saves, and what four Dask
workers are worth over one (`parts/flows.py`).
`python -m tests.bench.flows [documents]` starts stores, bridge, Prefect server and worker as `up` does. Flow
and direct calls alternate on fresh collections of the same new documents; medians and ratios are printed.
`--embedder minilm` (or `hashed`, no model at all) makes vectors quicker: what is measured here is not the
embedder. `--parts large` tells the memory of a text of 20 MB and a PDF of 1,000 pages (`parts/large.py`).
"""

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import psutil
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.ingest import BATCHES_AT_ONCE, ingest
from flows.ingestion.loader import read
from flows.ingestion.sending import split
from flows.ingestion.sources import find
from flows.orchestration.deploy import deploy, read_deployments
from tests.bench.parts.again import calls, twice
from tests.bench.parts.flows import speed_up, warmed
from tests.bench.parts.hashed import NAME, embedder
from tests.bench.parts.large import large
from tests.bench.parts.running import megabytes, running
from tests.bench.retrieval_speed import hashing
from tools.clients.bridge import open_bridge
from tools.clients.prefect import open_prefect
from tools.schema import Document
from tools.sections import Embedder
from tools.settings import Settings

Way = Callable[[Settings, Path, str], Awaitable[float]]
WORDS = (
    "puente modelo grafo vector pregunta documento respuesta cita índice caché colección flujo servidor "
    "bridge model graph vector question document answer citation index cache collection flow server port"
).split()


def write_documents(folder: Path, count: int) -> None:
    """Short Markdown pages, each different."""
    folder.mkdir(parents=True)
    for number in range(count):
        chosen = random.Random(f"{folder.name}{number}")
        sentences = [" ".join(chosen.choices(WORDS, k=12)).capitalize() + "." for _ in range(4)]
        (folder / f"{number:05}.md").write_text(
            f"# Page {number}\n\n{' '.join(sentences)}\n", encoding="utf-8"
        )


async def direct(settings: Settings, folder: Path, collection: str) -> float:
    """Read and send with the same batches and as many at once as the flow, without Prefect."""
    started, free = time.monotonic(), asyncio.Semaphore(BATCHES_AT_ONCE)
    async with open_bridge(settings) as bridge:

        async def one(batch: list) -> None:
            async with free:
                documents = [one for found in batch for _, one in read(found) if isinstance(one, Document)]
                await bridge.ingest(documents, collection=collection)

        files = find([str(folder)]).files
        cuts = split([found.size for found in files], 50)
        await asyncio.gather(*(one(files[cut]) for cut in cuts))
    return time.monotonic() - started


async def through_flow(settings: Settings, folder: Path, collection: str) -> float:
    started = time.monotonic()
    with temporary_settings(
        {PREFECT_API_URL: settings.prefect_url, PREFECT_API_AUTH_STRING: settings.prefect_auth}
    ):
        report: Any = await ingest(sources=[str(folder)], collection=collection)
    assert not report.failed, report.failed[:3]
    return time.monotonic() - started


async def through_worker(settings: Settings, folder: Path, collection: str) -> float:
    """As `capibara6 ingest` does it: a deployment run, waited for."""
    started = time.monotonic()
    async with open_prefect(settings) as prefect:
        run = await prefect.start("ingest", {"sources": [str(folder)], "collection": collection})
        run = await prefect.wait(run.id, timeout=600)
    assert run.state == "COMPLETED", run.message
    return time.monotonic() - started


async def register(settings: Settings) -> None:
    """Every deployment, and no schedule that would start something meanwhile."""
    await deploy(settings)
    async with open_prefect(settings) as prefect:
        for entry in read_deployments():
            await prefect.schedule(entry["name"], active=False)


@dataclass
class Cost:
    """What one way took: seconds, and CPU seconds of this process, of the bridge and of Prefect's server."""

    wall: float
    here: float
    bridge: float
    prefect: float


async def measure(way: Way, given: tuple[Settings, Path, str], bridge: int, prefect: int) -> Cost:
    def used() -> list[float]:
        return [sum(psutil.Process(pid).cpu_times()[:2]) for pid in (os.getpid(), bridge, prefect)]

    before = used()
    wall = await way(*given)
    return Cost(wall, *(after - was for after, was in zip(used(), before, strict=True)))


async def compare(settings: Settings, home: Path, count: int, rounds: int, pids: tuple[int, int]) -> None:
    """Direct and flow in turns, first one and then the other first; the worker once, it does the same."""
    ways: dict[str, Way] = {"direct": direct, "flow": through_flow, "worker": through_worker}
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for number in range(-1, rounds):
        folder = home / f"docs{number}"
        write_documents(folder, count if number >= 0 else 100)
        names = ["direct", "flow"] if number % 2 else ["flow", "direct"]
        for name in [*names, *(["worker"] if number in (-1, rounds - 1) else [])]:
            taken = await measure(ways[name], (settings, folder, f"{name}{number + 1}"), *pids)
            print(f"round {number} {name}: {taken.wall:.2f} s", flush=True)
            if number >= 0:  # the first few documents of all warm what is cold
                costs[name].append(taken)
    base = statistics.median(item.wall for item in costs["direct"])
    print(f"\n{count} documents   median s   documents/s   ratio to direct   CPU s: here   bridge   Prefect")
    for name, taken in costs.items():
        wall, here, bridge, prefect = (
            statistics.median(getattr(item, part.name) for item in taken) for part in fields(Cost)
        )
        print(f"{name:12}{wall:13.2f}{count / wall:14.0f}{wall / base:18.3f}", end="")
        print(f"{here:14.1f}{bridge:9.1f}{prefect:10.1f}")


@contextmanager
def chosen(name: str) -> Iterator[Embedder]:
    """An embedder of the bridge's own, or a hash behind OpenAI's wire, which takes next to nothing."""
    if name != NAME:
        yield Embedder(backend=name)  # type: ignore[arg-type]  # argparse has checked it
        return
    with hashing() as port:
        yield embedder(port)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("documents", type=int, nargs="?", default=2_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--parts", default="ingest,again,dask,warm")
    arguments.add_argument("--files", type=int, default=3_000, help="how many are ingested twice")
    embedders = ("ensemble", "e5", "minilm", "hashed")
    arguments.add_argument("--embedder", choices=embedders, default="ensemble")
    given = arguments.parse_args()
    count, parts = given.documents, given.parts.split(",")
    with (
        tempfile.TemporaryDirectory() as folder,
        chosen(given.embedder) as vectors,
        running("bridge", "prefect", "worker", embedder=vectors) as product,
    ):
        home, settings = Path(folder), product.settings
        # Flows read their settings from the environment, as a worker's runs do.
        os.environ.update(settings.environment())
        asyncio.run(register(settings))
        if "ingest" in parts:
            pids = product.processes["bridge"].pid, product.processes["prefect"].pid
            asyncio.run(compare(settings, home, count, given.rounds, pids))
        with temporary_settings(
            {PREFECT_API_URL: settings.prefect_url, PREFECT_API_AUTH_STRING: settings.prefect_auth}
        ):
            if "again" in parts:
                asyncio.run(twice(home / "twice", write_documents, given.files, given.embedder))
                asyncio.run(calls(settings, home, write_documents))
            if "large" in parts:
                asyncio.run(large(product, home))
            if "dask" in parts:
                asyncio.run(speed_up(settings, home))
            if "warm" in parts:
                asyncio.run(warmed(settings, home))
        for name, process in product.processes.items():
            print(f"{name}: {megabytes(process)} MB resident")


if __name__ == "__main__":
    main()
