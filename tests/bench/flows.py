"""What the flow costs over calling the bridge directly, and what Prefect itself costs.

With it: what a warmed model saves, and what four Dask workers are worth over one (`flow_parts`).
`python -m tests.bench.flows [documents]` starts real stores, bridge, Prefect server and worker. Flow and
direct calls alternate on fresh collections of the same new documents; medians and ratios are printed.
"""

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import httpx
import psutil
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.ingest import BATCHES_AT_ONCE, ingest, split
from flows.ingestion.reading import read
from flows.ingestion.sources import find
from flows.orchestration.deploy import deploy, read_manifest
from flows.orchestration.launch import prefect_environment, server_command, worker_command
from servers.local.embedded_stores import open_stores
from tests.bench.flow_parts import speed_up, warmed
from tests.conftest import settings_in
from tools.clients.bridge import open_bridge
from tools.clients.prefect import open_prefect
from tools.schema import Document
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
    with temporary_settings({PREFECT_API_URL: settings.prefect_url}):
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


@contextmanager
def process(command: list[str], url: str, environment: dict[str, str], log: Path) -> Iterator[int]:
    """A process that answers at `url`; yields its id."""
    with log.open("wb") as output:
        child = subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output)
        started = time.monotonic()
        try:
            while not _answers(url):
                assert child.poll() is None, log.read_text()
                time.sleep(0.05)
            print(f"{log.stem}: ready in {time.monotonic() - started:.1f} s")
            yield child.pid
            print(f"{log.stem}: {psutil.Process(child.pid).memory_info().rss / 2**20:.0f} MiB resident")
        finally:
            child.terminate()
            child.wait(30)


async def register(settings: Settings) -> None:
    """Every deployment, and no schedule that would start something meanwhile."""
    await deploy(settings)
    async with open_prefect(settings) as prefect:
        for entry in read_manifest():
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


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("documents", type=int, nargs="?", default=2_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--parts", default="ingest,dask,warm")
    given = arguments.parse_args()
    count, parts = given.documents, given.parts.split(",")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder)
        settings = settings_in(home / "home")
        (settings.home / "prefect").mkdir(parents=True)
        environment = prefect_environment(settings)
        os.environ.update(settings.environment())
        stack.enter_context(open_stores(settings))
        graph = [sys.executable, "-m", "servers", "serve"]
        started = subprocess.Popen([*graph, "graph"], env={**os.environ, **environment})
        stack.callback(started.wait)
        stack.callback(started.terminate)
        bridge = f"{settings.bridge_url}/health/ready"
        here = stack.enter_context(process([*graph, "bridge"], bridge, environment, home / "bridge.log"))
        health = f"{settings.prefect_url}/health"
        server = stack.enter_context(process(server_command(), health, environment, home / "prefect.log"))
        stack.enter_context(process(worker_command(), health, environment, home / "worker.log"))
        asyncio.run(register(settings))
        if "ingest" in parts:
            asyncio.run(compare(settings, home, count, given.rounds, (here, server)))
        with temporary_settings({PREFECT_API_URL: settings.prefect_url}):
            if "dask" in parts:
                asyncio.run(speed_up(settings, home))
            if "warm" in parts:
                asyncio.run(warmed(settings, home))


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=2).is_success
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    main()
