"""A child process that ingests and ends itself with SIGKILL where it is told to; the story that it lives."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from servers.bridge.services import Services, open_services
from tools.errors import DocumentNotFound
from tools.schema import Document, ExtractedEntity, ExtractedRelation, Extraction
from tools.settings import Settings

POINTS = (
    "ingest._vectors",
    "repository.declare",
    "milvus.write",
    "graph.write",
    "extractions.drop",
    "removal.remove",
    "milvus.delete",
    "repository.finish",
    "deletion.finish_locked",
    "repository.mark_deleting",
    "repository.forget",
    "extractions._unlink",
    "extractions._save",
    "extractions._link",
    "extractions._mark",
)
WITHIN = ("nebula.execute", "client.insert", "client.upsert", "client.delete")
"""Calls inside those steps: a death at the nth of them is a death half-way."""
PARTS = ("Alpha is first.", "Beta follows Alpha.", "Gamma ends.", "Delta flows.")
Step = Callable[[Services, str], Awaitable[Any]]


@dataclass(frozen=True)
class Point:
    """Die at the `nth` (from 0) call of `name`, before it or after it has done its work."""

    name: str
    after: bool = False
    nth: int = 0


def story(seed: int) -> tuple[list[Step], list[Step]]:
    """What happens before anything can go wrong, and what a death may interrupt; the same for one seed."""
    chance = random.Random(seed)
    first = [_page(chance, number) for number in range(4)]
    changed = [_page(chance, number) for number in (1, 3, 5)]
    changed[1] = changed[1].model_copy(update={"title": f"Leaf number {seed}"})
    moved = first[2].model_copy(update={"source": f"moved{seed}.md", "metadata": {"seed": seed}})
    old = _page(chance, 9)
    renamed = old.model_copy(update={"id": "renamed", "formerly": "p9"})
    before: list[Step] = [_upsert([*first, old]), _extract("p2", "before")]
    after: list[Step] = [
        _upsert([*changed, moved, renamed]),
        _extract("p2", "after"),
        _delete("p0"),
        _upsert(changed),
    ]
    return before, after


async def live(stores: Services, collection: str, steps: Sequence[Step]) -> None:
    for step in steps:
        await step(stores, collection)


def run(settings: Settings, collection: str, seed: int, point: Point) -> None:
    """The child: lives the story, and dies at `point` of its second part."""

    async def work() -> None:
        before, after = story(seed)
        async with open_services(settings) as stores:
            await stores.collections.create("default", collection, "words", [])
            await live(stores, collection, before)
            arm(stores, point)
            await live(stores, collection, after)

    asyncio.run(work())


def arm(stores: Services, point: Point) -> None:
    owners = {
        "ingest": stores.ingest,
        "repository": stores.repository,
        "milvus": stores.milvus,
        "client": stores.milvus.client,
        "graph": stores.ingest.graph,
        "removal": stores.ingest.removal,
        "deletion": stores.ingest.deletion,
        "nebula": stores.nebula,
        "extractions": stores.ingest.extractions,
    }
    name, _, verb = point.name.partition(".")
    owner: Any = owners[name]
    real, calls = getattr(owner, verb), 0

    async def last(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls <= point.nth:
            return await real(*given, **named)
        if point.after:
            await real(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)
        return await asyncio.Event().wait()

    setattr(owner, verb, last)


def _page(chance: random.Random, number: int) -> Document:
    parts = [*chance.sample(PARTS, chance.randint(1, 3)), f"See Page number {chance.randrange(6)} too."]
    text = "\n\n".join(f"# Part {n}\n\n{part} This is page {number}." for n, part in enumerate(parts))
    return Document(id=f"p{number}", title=f"Page number {number}", text=text)


def _upsert(documents: Sequence[Document]) -> Step:
    async def step(stores: Services, collection: str) -> None:
        report = await stores.ingest.upsert("default", collection, documents)
        assert report.failed == []

    return step


def _delete(document_id: str) -> Step:
    async def step(stores: Services, collection: str) -> None:
        await stores.ingest.repair()
        try:
            await stores.ingest.delete("default", collection, document_id)
        except DocumentNotFound:
            return

    return step


def _extract(document_id: str, relation: str) -> Step:
    async def step(stores: Services, collection: str) -> None:
        location = await stores.repository.where("default", collection)
        row, chunks = await stores.repository.document(location, document_id)
        key = chunks[0].id
        found = Extraction(
            extractor="llm:test:v1",
            content_hash=row.content_hash,
            entities=[ExtractedEntity(name="Page number 1", kind="page", chunk_id=key)],
            relations=[ExtractedRelation(subject="Ada", relation=relation, object="Eva", chunk_id=key)],
        )
        await stores.ingest.extractions.put(location, document_id, found)

    return step
