"""Retrieval quality over BEIR-style folders: BM25 · dense · RRF · ours, through the served bridge.

    python -m tests.bench.retrieval --data FOLDER [--only NAME …] [--limit N]

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

from tests.bench.running import answered, ingested, running
from tools.clients.bridge import Bridge, open_bridge
from tools.schema import Document, SearchRequest
from tools.settings import Settings

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


async def measure(bridge: Bridge, folder: Path, limit: int) -> dict[str, tuple[float, float]]:
    """nDCG@10 and R@5 by method."""
    collection = folder.name.replace("-", "_")
    corpus, judged = lines(folder / "corpus.jsonl"), relevance(folder / "qrels" / "test.tsv")
    documents = [Document(id=row["_id"], title=row["title"], text=row["text"]) for row in corpus]
    started = time.monotonic()
    accepted = await ingested(bridge, documents, collection=collection)
    print(f"{folder.name}: {accepted} documents in {time.monotonic() - started:.0f} s", flush=True)
    totals: dict[str, list[tuple[float, float]]] = defaultdict(list)
    spent = 0.0
    queries = [row for row in lines(folder / "queries.jsonl") if row["_id"] in judged][:limit]
    for row in queries:
        text = await ranked(bridge, collection, row["text"], ["text"])
        dense = await ranked(bridge, collection, row["text"], ["dense"])
        before = time.monotonic()
        ours = await ranked(bridge, collection, row["text"], None)
        spent += time.monotonic() - before
        for name, ranking in {
            "BM25": text,
            "dense": dense,
            "RRF": reciprocal([text, dense]),
            "ours": ours,
        }.items():
            known = judged[row["_id"]]
            totals[name].append((ndcg(ranking, known), recall(ranking, known)))
    print(f"{folder.name}: {1_000 * spent / max(1, len(queries)):.1f} ms a question", flush=True)
    means = {
        name: [sum(column) / len(values) for column in zip(*values, strict=True)]
        for name, values in totals.items()
    }
    return {name: (good, found) for name, (good, found) in means.items()}


async def main(settings: Settings, folders: list[Path], limit: int) -> None:
    async with open_bridge(settings) as bridge:
        results = {folder.name: await measure(bridge, folder, limit) for folder in folders}
    print(f"\n{'nDCG@10 (R@5)':<16}" + "".join(f"{name:>18}" for name in ("BM25", "dense", "RRF", "ours")))
    for name, methods in results.items():
        cells = [f"{good:.4f} ({found:.3f})" for good, found in methods.values()]
        print(f"{name:<16}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--limit", type=int, default=10_000)
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
        asyncio.run(main(product.settings, chosen, given.limit))
