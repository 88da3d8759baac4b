"""A question's time while documents are ingested, and at rest, through the served bridge; its memory.

    python -m tests.bench.retrieval_load [--passages 5000] [--seconds 300] [--embedder ensemble|e5|minilm]

Questions are asked one after the other, each with words that no other has, so that no cache answers. They are
asked at rest before the ingestion and after it, and as long as it lasts: until `--passages` are written or
`--seconds` are over, so that a slow machine is done in ten minutes too. It says which.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence

import psutil

from tests.bench.parts.running import AT_ONCE, SENT, Running, ingested, running
from tests.bench.retrieval_speed import documents
from tools.clients.bridge import Bridge, open_bridge
from tools.errors import Unavailable
from tools.schema import Document, SearchRequest

NAME = "loaded"


def shared_megabytes(process: psutil.Process) -> float:
    """PSS: what is shared with others counts by its share."""
    return process.memory_full_info().pss / 2**20


async def asked(bridge: Bridge, made: Sequence[Document], number: int) -> tuple[float, bool]:
    """Milliseconds of one question, and whether its answer lacked a leg or there was none."""
    about = made[number * 7 % len(made)]
    question = f"{number} {' '.join(about.text.split()[number % 40 :][:6])} near {about.title}"
    began = time.perf_counter()
    try:
        lacking = (await bridge.search(SearchRequest(query=question, collection=NAME))).degraded
    except Unavailable as exc:
        lacking = [exc.message]
    return 1_000 * (time.perf_counter() - began), bool(lacking)


def told(name: str, times: Sequence[tuple[float, bool]]) -> float:
    """Print one row; its p95."""
    spent = sorted(ms for ms, _ in times)
    worst = spent[int(0.95 * len(spent))]
    late = sum(left for _, left in times)
    print(
        f"{name}: {len(spent)} questions, p50 {statistics.median(spent):.0f} ms, p95 {worst:.0f} ms, "
        f"{late} without a leg",
        flush=True,
    )
    return worst


async def written(bridge: Bridge, made: Sequence[Document], seconds: float) -> int:
    """How many were ingested until all were, or the time was over."""
    until, size, done = time.monotonic() + seconds, SENT * AT_ONCE, 0
    for start in range(0, len(made), size):
        if time.monotonic() > until:
            break
        done += await ingested(bridge, made[start : start + size], collection=NAME)
    return done


async def main(product: Running, given: argparse.Namespace) -> None:
    process, rest = product.processes["bridge"], given.rest
    made = documents(given.passages + 200, 5)
    async with open_bridge(product.settings) as bridge:
        print(f"memory at rest, nothing asked: {shared_megabytes(process):.0f} MB PSS", flush=True)
        await bridge.create_collection(NAME, embedder=given.embedder)
        await ingested(bridge, made[:200], collection=NAME)
        for number in range(20):
            await asked(bridge, made, number)
        print(f"memory at rest, 200 passages: {shared_megabytes(process):.0f} MB PSS", flush=True)
        before = [await asked(bridge, made, 1_000 + number) for number in range(rest)]
        began, during = time.monotonic(), []
        work = asyncio.create_task(written(bridge, made[200:], given.seconds))
        while not work.done():
            during.append(await asked(bridge, made, 10_000 + len(during)))
        done, took = await work, time.monotonic() - began
        after = [await asked(bridge, made, 2_000 + number) for number in range(rest)]
        still = told(f"{given.embedder}, at rest", [*before, *after])
        worst = told(f"{given.embedder}, while {done} passages come ({done / took:.0f} a second)", during)
        print(f"p95 {worst / still:.1f} times that at rest")
        print(f"memory at rest, {done + 200} passages: {shared_megabytes(process):.0f} MB PSS")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--passages", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--rest", type=int, default=100)
    parser.add_argument("--embedder", choices=["ensemble", "e5", "minilm"], default="ensemble")
    options = parser.parse_args()
    with running("bridge") as served:
        asyncio.run(main(served, options))
