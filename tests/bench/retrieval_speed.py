"""What the bridge adds to the stores: a hybrid search against the very store calls that it makes, one by one.

    python -m tests.bench.retrieval_speed [--passages 10000 …] [--questions 60]

Passages are made of the words of our own documents, as often as those use them, under titles that mention
each other, and are ingested like any others; the embedder of the large collections is a hash, so that the
stores are measured. Ingestion is measured apart, with the real embedder. Ratios travel, milliseconds do not.
"""

import argparse
import random
import re
import statistics
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import uvloop

from servers.bridge.ingest.pipeline import BATCH
from servers.bridge.services import Services
from tests.bench.running import opened, running
from tools.schema import Document, SearchRequest
from tools.settings import Settings

REPO = Path(__file__).parents[2]
TEXTS = [REPO / "README.md", REPO / "CHANGELOG.md", *sorted(REPO.glob("knowledge/en/*.md"))]
WORDS = Counter(re.findall(r"[A-Za-z][a-z]+", " ".join(file.read_text("utf-8") for file in TEXTS)))
LENGTH, SENTENCE = 96, 12
SOUNDS = "ba cor del fi gan hel jo kra lu mon nar os pel qui rus sta tor ul ven zar".split()
SIZE = 384
PARTS = 5
"""Memory is looked at after each such part of an ingestion."""


class Hashed:
    """Vectors of words without a model: some microseconds a text."""

    name, dimensions = "hashed", SIZE
    languages: tuple[str, ...] = ("en",)

    async def load(self) -> None:
        """Nothing."""

    async def embed(self, texts: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(texts), SIZE), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                row[zlib.crc32(word.encode()) % SIZE] += 1
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


class Recorder:
    """Keeps the store calls of a search, to make them again without the bridge around them."""

    def __init__(self, stores: Services) -> None:
        self.calls: list[Callable[[], Awaitable[Any]]] = []
        self.on = False
        milvus = stores.milvus
        self._watch(milvus.client, "search")
        self._watch(milvus.client, "get")
        self._watch(stores.nebula, "execute")
        self._watch(stores.repository, "collection")
        self._watch(stores.search.retrievers.graph.titles, "telling")
        self._watch(stores.redis, "get")
        self._watch(stores.redis, "set")
        self._watch(stores.search.semantic_cache, "latest")
        self._watch(stores.search.semantic_cache, "remember")

    def _watch(self, owner: Any, verb: str) -> None:
        real = getattr(owner, verb)

        def watched(*given: Any, **named: Any) -> Any:
            if self.on:
                self.calls.append(lambda: real(*given, **named))
            return real(*given, **named)

        setattr(owner, verb, watched)


def name(chance: random.Random) -> str:
    """A word that other texts hardly use, as the titles of real texts have."""
    return "".join(chance.choice(SOUNDS) for _ in range(4)).capitalize()


def documents(count: int, seed: int) -> list[Document]:
    """Each says the title of another somewhere."""
    chance = random.Random(seed)
    words, often = list(WORDS), list(WORDS.values())
    telling = [word.capitalize() for word in words if len(word) > 3]
    titles = [f"{name(chance)} {chance.choice(telling)}" for _ in range(count)]
    found = []
    for number, title in enumerate(titles):
        drawn = chance.choices(words, often, k=LENGTH)
        parts = [" ".join(drawn[at : at + SENTENCE]) + "." for at in range(0, LENGTH, SENTENCE)]
        parts.insert(chance.randrange(len(parts)), f"{chance.choice(titles)} is near it.")
        found.append(Document(id=f"d{number}", title=title, text=" ".join(parts)))
    return found


def resident() -> int:
    return psutil.Process().memory_info().rss >> 20


async def timed(work: Callable[[], Awaitable[Any]]) -> float:
    started = time.perf_counter()
    await work()
    return (time.perf_counter() - started) * 1_000


async def written(stores: Services, name: str, made: Sequence[Document]) -> None:
    """Ingest, and say how fast and in how much memory."""
    await stores.collections.create("default", name, "hashed", ["en"])
    memory, spent, size = [resident()], [], len(made) // PARTS
    for start in range(0, len(made), size):
        part = made[start : start + size]
        spent.append(await timed(lambda part=part: stores.ingest.upsert("default", name, part)))
        memory.append(resident())
    print(
        f"{len(made)} passages written, by fifths: "
        f"{', '.join(f'{1_000 * size / took:.0f}' for took in spent)} a second, "
        f"the bridge's memory {', '.join(map(str, memory))} MB",
        flush=True,
    )


async def speed(stores: Services, count: int, questions: int) -> tuple[float, float]:
    """p50 of ours and of the bare calls, in ms, the two taken in turn."""
    name, made = f"n{count}", documents(count, count)
    await written(stores, name, made)
    chance = random.Random(count)
    recorder = Recorder(stores)
    ours, bare, again, empty = [], [], [], []
    for number in range(questions + 5):
        about = chance.choice(made)
        words = " ".join(chance.sample(about.text.split()[:60], 5))
        request = SearchRequest(query=f"{words} {number} near {about.title}", collection=name)
        recorder.calls.clear()
        recorder.on = True
        took = await timed(lambda request=request: stores.search.run("default", request))
        recorder.on = False
        alone = sum([await timed(call) for call in recorder.calls])
        if number >= 5:
            ours.append(took)
            bare.append(alone)
            again.append(await timed(lambda request=request: stores.search.run("default", request)))
            empty.append(await timed(lambda: stores.repository.collection("default", name)))
    p50 = statistics.median
    print(
        f"{count} passages: ours p50 {p50(ours):.1f} ms · {len(recorder.calls)} bare calls "
        f"{p50(bare):.1f} ms · ratio {p50(ours) / p50(bare):.2f} · "
        f"cached {p50(again):.1f} ms (one row {p50(empty):.1f} ms)",
        flush=True,
    )
    return p50(ours), p50(bare)


async def ingestion(stores: Services, count: int, rounds: int = 3) -> None:
    """Documents a second through the bridge, as a share of the embedder's own; the two are taken in turn,
    after a part that counts for none."""
    made = documents(count * (rounds + 1), 0)
    embedder = stores.embedders.get("minilm")
    await embedder.load()
    await stores.collections.create("default", "ingested", "minilm", [])

    async def alone(part: Sequence[Document]) -> None:
        for start in range(0, len(part), BATCH):
            await embedder.embed([f"{item.title}\n{item.text}" for item in part[start : start + BATCH]])

    own, whole = [], []
    await stores.ingest.upsert("default", "ingested", made[:count])
    for start in range(count, len(made), count):
        part = made[start : start + count]
        own.append(await timed(lambda part=part: alone(part)))
        whole.append(await timed(lambda part=part: stores.ingest.upsert("default", "ingested", part)))
    shares = ", ".join(f"{one / other:.2f}" for one, other in zip(own, whole, strict=True))
    print(
        f"ingestion: {sum(own) / sum(whole):.2f} of the embedder's own throughput "
        f"({rounds} times {count} passages: {shares})",
        flush=True,
    )


async def main(settings: Settings, sizes: list[int], questions: int) -> None:
    async with opened(settings) as stores:
        stores.embedders.named["hashed"] = Hashed()
        await ingestion(stores, 960)
        found = [await speed(stores, count, questions) for count in sizes]
    for (small, large), (one, other) in zip(pairwise(sizes), pairwise(found), strict=True):
        print(f"from {small} to {large} passages: {other[0] / one[0]:.2f} times the time")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--questions", type=int, default=60)
    given = parser.parse_args()
    with running() as home:
        uvloop.run(main(home, given.passages, given.questions))
