"""The passages that the served bridge finds for the questions of an evaluation set, kept in a file: searching
takes minutes, what is decided about what was found takes seconds.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from tests.bench.parts.running import answered, ingested, running
from tests.bench.retrieval import lines, relevance
from tools.clients.bridge import Bridge, open_bridge
from tools.schema import Document, Hit, SearchRequest
from tools.settings import Settings

FOUND = 60
"""Hits kept for a question: enough remain when an article is left out."""
WITH_ANSWERS = {"xquad-es2en": "xquad-en"}
PARTS = 5
"""Passages of an article of XQuAD, one after the other."""
SHOWN = 6
"""Passages that the chat agent asks for (`Chat.top_k`)."""
Condition: TypeAlias = Literal["present", "passage", "article"]
"""What is in the collection: all, all but the passages that answer, all but their whole article."""


@dataclass(frozen=True)
class Asked:
    """A question, the ids of the documents that answer it, its gold answers, and what was found, best first.

    `article` is the title that the first of them has: parts of one article share it.
    """

    id: str
    text: str
    gold: frozenset[str]
    answers: tuple[str, ...]
    article: str
    hits: tuple[Hit, ...]


def found_under(asked: Asked, condition: Condition) -> tuple[Hit, ...]:
    """What the agent would be shown: the best hits that remain."""
    if condition == "passage":
        return tuple(hit for hit in asked.hits if hit.document_id not in asked.gold)[:SHOWN]
    if condition == "article":
        return tuple(hit for hit in asked.hits if hit.title != asked.article)[:SHOWN]
    return asked.hits[:SHOWN]


def in_first_half(asked: Asked) -> bool:
    """Whether a question's article is one of those that weights are learnt from: a coin by its first passage,
    which is the same in every language."""
    return min(int(key.strip("pd")) for key in asked.gold) // PARTS % 2 == 0


def found_candidates(data: Path, names: Sequence[str], cache: Path) -> dict[str, list[Asked]]:
    """By set; those that `cache` (a folder) does not hold are searched and added to it."""
    missing = [name for name in names if not (cache / f"{name}.jsonl").is_file()]
    if missing:
        with running("bridge") as product:
            asyncio.run(_search(product.settings, [data / name for name in missing], cache))
    return {name: list(_read(data / name, cache / f"{name}.jsonl")) for name in names}


async def _search(settings: Settings, folders: Sequence[Path], cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    async with open_bridge(settings) as bridge:
        for folder in folders:
            rows = [row async for row in _searched(bridge, folder)]
            partial = cache / f"{folder.name}.part"
            partial.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
            partial.rename(cache / f"{folder.name}.jsonl")
            print(f"{folder.name}: {len(rows)} questions searched", flush=True)


async def _searched(bridge: Bridge, folder: Path) -> AsyncIterator[dict[str, Any]]:
    collection = folder.name.replace("-", "_")
    documents = list(_documents(folder).values())
    assert await ingested(bridge, documents, collection=collection) == len(documents)
    judged = relevance(folder / "qrels" / "test.tsv")
    for row in lines(folder / "queries.jsonl"):
        if row["_id"] in judged:
            request = SearchRequest(query=row["text"], top_k=FOUND, collection=collection)
            response = await answered(bridge, request)
            hits = [hit.model_dump(exclude={"title", "source"}) for hit in response.results]
            yield {"id": row["_id"], "hits": hits}


def _documents(folder: Path) -> dict[str, Document]:
    return {
        row["_id"]: Document(id=row["_id"], title=row["title"].replace("_", " "), text=row["text"])
        for row in lines(folder / "corpus.jsonl")
    }


def _read(folder: Path, file: Path) -> Iterator[Asked]:
    documents, judged = _documents(folder), relevance(folder / "qrels" / "test.tsv")
    queries = {row["_id"]: row for row in lines(folder / "queries.jsonl")}
    # The passages of the cross-lingual set hold the answers in their own language.
    answers = {
        row["_id"]: row
        for row in lines(folder.with_name(WITH_ANSWERS.get(folder.name, folder.name)) / "queries.jsonl")
    }
    for row in lines(file):
        metadata = answers[row["id"]].get("metadata", {})
        gold = [key for key in judged[row["id"]] if key in documents]
        yield Asked(
            id=row["id"],
            text=queries[row["id"]]["text"],
            gold=frozenset(gold),
            answers=tuple(metadata.get("answers") or [metadata.get("answer", "")]),
            article=documents[gold[0]].title,
            hits=tuple(Hit(**{**hit, "title": documents[hit["document_id"]].title}) for hit in row["hits"]),
        )
