"""Retrieval quality over BEIR-style folders, through the served bridge: BM25 alone, then of each embedder its
vectors alone, RRF with BM25, and the whole hybrid search.

    python -m tests.bench.retrieval --data FOLDER [--only NAME …] [--step N] [--embedders minilm e5 ensemble]

FOLDER holds one folder a set: corpus.jsonl, queries.jsonl, qrels/test.tsv. Stores and bridge are
started for the run. A search that a leg was late for is asked again.
"""

import argparse
import asyncio
import json
import math
import time
from collections import defaultdict
from pathlib import Path

from tests.bench.parts.running import answered, ingested, running
from tools.clients.bridge import Bridge, open_bridge
from tools.schema import Document, SearchRequest
from tools.settings import Settings

ASKED_AT_ONCE = 4
Ranking = list[str]
Relevance = dict[str, int]


def ndcg(ranking: Ranking, relevant: Relevance, k: int = 10) -> float:
    gained = sum(relevant.get(key, 0) / math.log2(place + 2) for place, key in enumerate(ranking[:k]))
    ideal = sorted(relevant.values(), reverse=True)[:k]
    return gained / sum(value / math.log2(place + 2) for place, value in enumerate(ideal))


def recall(ranking: Ranking, relevant: Relevance, k: int = 5) -> float:
    return len(set(ranking[:k]) & relevant.keys()) / len(relevant)


def reciprocal(rankings: list[Ranking], k: int = 60) -> Ranking:
    scores: dict[str, float] = defaultdict(float)
    for ranking in rankings:
        for place, key in enumerate(ranking, 1):
            scores[key] += 1 / (k + place)
    return sorted(scores, key=lambda key: -scores[key])


def lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines() if line.strip()]


def relevance(file: Path) -> dict[str, Relevance]:
    found: dict[str, Relevance] = defaultdict(dict)
    for line in file.read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        if int(grade) > 0:
            found[query][document] = int(grade)
    return found


async def ranked(bridge: Bridge, collection: str, query: str, legs: list | None) -> Ranking:
    # More than is judged: a document of several passages counts once.
    request = SearchRequest(query=query, top_k=30, collection=collection, legs=legs)
    response = await answered(bridge, request)
    return list(dict.fromkeys(hit.document_id for hit in response.results))


async def rankings_of(
    bridge: Bridge, collection: str, queries: list[str], legs: list | None
) -> list[Ranking]:
    free = asyncio.Semaphore(ASKED_AT_ONCE)

    async def one(query: str) -> Ranking:
        async with free:
            return await ranked(bridge, collection, query, legs)

    return await asyncio.gather(*map(one, queries))


async def embedded(bridge: Bridge, folder: Path, embedder: str) -> str:
    """The collection of a set's documents, ingested with an embedder."""
    collection = f"{folder.name.replace('-', '_')}_{embedder}"
    documents = [
        Document(id=row["_id"], title=row["title"], text=row["text"])
        for row in lines(folder / "corpus.jsonl")
    ]
    await bridge.create_collection(collection, embedder=embedder)
    started = time.monotonic()
    accepted = await ingested(bridge, documents, collection=collection)
    took = time.monotonic() - started
    print(f"{folder.name}, {embedder}: {accepted} documents in {took:.0f} s", flush=True)
    return collection


async def measure(bridge: Bridge, folder: Path, given: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Means of nDCG@10 and R@5 by method."""
    judged = relevance(folder / "qrels" / "test.tsv")
    queries = [row for row in lines(folder / "queries.jsonl") if row["_id"] in judged]
    queries = queries[:: given.step][: given.limit]
    known = [judged[row["_id"]] for row in queries]
    found: dict[str, list[Ranking]] = {}
    for embedder in given.embedders:
        collection = await embedded(bridge, folder, embedder)

        async def asked(legs: list | None, collection: str = collection) -> list[Ranking]:
            return await rankings_of(bridge, collection, [row["text"] for row in queries], legs)

        text = found.get("BM25") or await asked(["text"])
        dense = await asked(["dense"])
        before = time.monotonic()
        fused = await asked(None)
        took = 1_000 * (time.monotonic() - before) / max(1, len(queries))
        print(f"{folder.name}, {embedder}: {took:.1f} ms a question, {ASKED_AT_ONCE} at once", flush=True)
        rrf = [reciprocal(list(pair)) for pair in zip(text, dense, strict=True)]
        found |= {"BM25": text, embedder: dense, f"{embedder}, RRF": rrf, f"{embedder}, ours": fused}
    if given.write:
        kept = {name: dict(zip((row["_id"] for row in queries), found[name], strict=True)) for name in found}
        (given.write / f"{folder.name}.json").write_text(json.dumps(kept))
    return {
        name: (
            mean([ndcg(ranking, good) for ranking, good in zip(rankings, known, strict=True)]),
            mean([recall(ranking, good) for ranking, good in zip(rankings, known, strict=True)]),
        )
        for name, rankings in found.items()
    }


def mean(values: list[float]) -> float:
    return sum(values) / max(1, len(values))


async def main(settings: Settings, folders: list[Path], given: argparse.Namespace) -> None:
    async with open_bridge(settings) as bridge:
        results = {folder.name: await measure(bridge, folder, given) for folder in folders}
    methods = next(iter(results.values()), {})
    print(f"\n{'nDCG@10 (R@5)':<16}" + "".join(f"{name:>18}" for name in methods))
    for name, methods in results.items():
        cells = [f"{good:.4f} ({found:.3f})" for good, found in methods.values()]
        print(f"{name:<16}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--limit", type=int, default=10_000)
    parser.add_argument("--step", type=int, default=1, help="ask each N-th question")
    parser.add_argument("--write", type=Path, help="a folder for each question's ranking by method")
    parser.add_argument("--embedders", nargs="+", default=["minilm", "e5", "ensemble"])
    given = parser.parse_args()
    sets = sorted(
        path.parent for path in given.data.glob("*/corpus.jsonl") if (path.parent / "qrels").exists()
    )
    chosen = [
        folder
        for folder in sets
        if (folder / "queries.jsonl").exists() and (not given.only or folder.name in given.only)
    ]
    with running("bridge") as product:
        asyncio.run(main(product.settings, chosen, given))
