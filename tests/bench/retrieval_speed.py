"""The served bridge against what it is made of, both measured in turns in one run.

    python -m tests.bench.retrieval_speed [--passages 10000 …] [--questions 60] [--ingest 960]

A hybrid search through the bridge's door against the very calls that it makes to its stores and its embedder,
made one by one from here; ingestion through the same door against the embedder alone, which runs here as a
program without settings of its own would run it. `--passages` without a number measures ingestion alone.

Passages are made of the words of our own documents, as often as those use them, under titles that mention
each other, and are ingested like any others; the vectors of the large collections come from a hash, so that
the stores are measured. Ratios travel, milliseconds do not.
"""

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import psutil
import uvloop

from servers.bridge.embedding.e5 import E5
from servers.bridge.embedding.embedder import Embedder
from servers.bridge.embedding.ensemble import Ensemble
from servers.bridge.embedding.minilm import MiniLM
from tests.bench.parts.client import Line, get, open_lines, post
from tests.bench.parts.hashed import NAME, embedder
from tests.bench.parts.recorder import Recorder, open_recorder, timed
from tests.bench.parts.running import REPO, SENT, Running, Spent, ingested, megabytes, peak, running
from tests.ports import free_port
from tools.clients.bridge import Bridge, open_bridge
from tools.schema import Document, SearchRequest

TEXTS = [REPO / "README.md", REPO / "CHANGELOG.md", *sorted(REPO.glob("knowledge/en/*.md"))]
WORDS = Counter(re.findall(r"[A-Za-z][a-z]+", " ".join(file.read_text("utf-8") for file in TEXTS)))
LENGTH, SENTENCE = 96, 12
SOUNDS = "ba cor del fi gan hel jo kra lu mon nar os pel qui rus sta tor ul ven zar".split()
PARTS = 5
"""Memory is looked at after each such part of an ingestion."""


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


@contextmanager
def hashing() -> Iterator[int]:
    """The hash as a process of its own; the port that it listens on."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.parts.hashed", str(port)]
    child = subprocess.Popen(command, cwd=REPO, env=dict(os.environ))
    try:
        yield port
    finally:
        child.terminate()
        child.wait(20)


async def sent(bridge: Bridge, name: str, part: Sequence[Document]) -> None:
    """Raises AssertionError when one was refused."""
    assert await ingested(bridge, part, collection=name) == len(part)


async def written(product: Running, bridge: Bridge, name: str, made: Sequence[Document]) -> None:
    """Ingest, and say how fast and in how much memory."""
    await bridge.create_collection(name, embedder=NAME, languages=["en"])
    process = product.processes["bridge"]
    memory, spent, size = [megabytes(process)], [], len(made) // PARTS
    for start in range(0, len(made), size):
        part = made[start : start + size]
        spent.append(await timed(lambda part=part: sent(bridge, name, part)))
        memory.append(megabytes(process))
    print(
        f"{len(made)} passages written, by fifths: "
        f"{', '.join(f'{1_000 * size / took:.0f}' for took in spent)} a second, "
        f"the bridge's memory {', '.join(map(str, memory))} MB",
        flush=True,
    )


@dataclass(frozen=True)
class Times:
    """Milliseconds of one question: through the door, its bare calls, asked again, and a route of one row."""

    ours: float
    bare: float
    again: float
    empty: float


async def asked(line: Line, recorder: Recorder, request: SearchRequest, *, bare_first: bool) -> Times:
    """One question measured. Raises AssertionError when a leg was left out of the answer."""
    sent = post("/api/v1/rag/hybrid-search", request.model_dump(exclude_none=True))
    await recorder.record(request)
    bare = await recorder.again() if bare_first else 0.0
    answers: list[bytes] = []

    async def whole() -> None:
        answers.append(await line.send(sent))

    ours, again = await timed(whole), await timed(whole)
    bare = bare or await recorder.again()
    assert b'"degraded":[]' in answers[0] and b'"cached":false' in answers[0], answers[0]
    return Times(ours, bare, again, await timed(lambda: line.send(get("/api/v1/embedders"))))


async def speed(
    product: Running, bridge: Bridge, recorder: Recorder, count: int, questions: int
) -> tuple[float, float]:
    """p50 of ours and of the bare calls, in ms; every second question the bare ones come first."""
    name, made = f"n{count}", documents(count, count)
    await written(product, bridge, name, made)
    chance = random.Random(count)
    times: list[Times] = []
    async with open_lines(product.settings.ports.bridge, 1) as (line,):
        for number in range(questions + 5):
            about = chance.choice(made)
            words = " ".join(chance.sample(about.text.split()[:60], 5))
            request = SearchRequest(query=f"{words} {number} near {about.title}", collection=name)
            times.append(await asked(line, recorder, request, bare_first=number % 2 == 0))
    ours, bare, again, empty = (
        statistics.median(getattr(item, part) for item in times[5:])
        for part in ("ours", "bare", "again", "empty")
    )
    print(
        f"{count} passages: ours p50 {ours:.1f} ms · {len(recorder.calls)} bare calls {bare:.1f} ms · "
        f"ratio {ours / bare:.2f} · cached {again:.1f} ms (a route that asks no store {empty:.1f} ms)",
        flush=True,
    )
    return ours, bare


async def ingestion(product: Running, bridge: Bridge, model: Embedder, count: int, rounds: int = 3) -> None:
    """Passages a second through the bridge, as a share of the embedder's own; the two are taken in turn,
    after a part that counts for none."""
    made = documents(count * (rounds + 1), 0)
    alone, served = psutil.Process(), product.processes["bridge"]
    collection = f"ingested_{model.dimensions}_{model.name[:6]}"
    await bridge.create_collection(collection, embedder=model.name)

    async def embedded(part: Sequence[Document]) -> None:
        for start in range(0, len(part), SENT):
            await model.embed([f"{item.title}\n{item.text}" for item in part[start : start + SENT]])

    own, whole = Spent(alone), Spent(served)
    await sent(bridge, collection, made[:count])
    await embedded(made[:count])
    for start in range(count, len(made), count):
        part = made[start : start + count]
        await own.add(lambda part=part: embedded(part))
        await whole.add(lambda part=part: sent(bridge, collection, part))
    shares = ", ".join(f"{one / other:.2f}" for one, other in zip(own.times, whole.times, strict=True))
    print(
        f"ingestion with {model.name}: {sum(own.times) / sum(whole.times):.2f} of its own throughput "
        f"({rounds} times {count} passages: {shares}), "
        f"{count * rounds / sum(whole.times):.0f} and {count * rounds / sum(own.times):.0f} passages a second"
    )
    print(
        f"a passage: {whole.each(count)} in the bridge, {own.each(count)} in the embedder alone; "
        f"the bridge's memory {megabytes(served)} MB, at most {peak(served)} MB",
        flush=True,
    )


async def main(product: Running, sizes: list[int], questions: int, ingest: int) -> None:
    async with open_bridge(product.settings) as bridge, open_recorder(product.settings) as recorder:
        minilm, e5 = (model(product.settings.home / "models") for model in (MiniLM, E5))
        for model in (minilm, e5, Ensemble(e5, minilm)):
            await ingestion(product, bridge, model, ingest)
        found = [await speed(product, bridge, recorder, count, questions) for count in sizes]
    for (small, large), (one, other) in zip(pairwise(sizes), pairwise(found), strict=True):
        print(f"from {small} to {large} passages: {other[0] / one[0]:.2f} times the time")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--passages", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--ingest", type=int, default=960, help="passages of each round of ingestion")
    given = parser.parse_args()
    with hashing() as port, running("bridge", embedders={NAME: embedder(port)}) as product:
        uvloop.run(main(product, given.passages, given.questions, given.ingest))
