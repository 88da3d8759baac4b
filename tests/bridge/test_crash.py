"""Ingestion that dies anywhere, and sequences of changes: the stores end as a plain model says."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from servers.bridge.names import vertex
from servers.bridge.stores import Stores, open_stores
from tools.schema import Document
from tools.settings import Settings

STEPS = ("declare", "milvus.upsert", "graph.write", "graph.delete", "milvus.delete", "finish")


class Died(BaseException):
    """The process is gone: nothing may catch this."""


def dying(owner: Any, verb: str, *, after: bool) -> None:
    """Let `owner.verb` end everything, before or after it has done its work."""
    real = getattr(owner, verb)

    async def last(*given: Any, **named: Any) -> Any:
        if after:
            await real(*given, **named)
        raise Died

    setattr(owner, verb, last)


def owner_of(stores: Stores, step: str) -> tuple[Any, str]:
    name, _, verb = step.rpartition(".")
    owners = {"": stores.library, "milvus": stores.milvus, "graph": stores.ingest.graph}
    return owners[name], verb


def page(number: int, *parts: str) -> Document:
    text = "\n\n".join(f"# Part {n}\n\n{part} of page {number}." for n, part in enumerate(parts))
    return Document(id=f"p{number}", title=f"Page number {number}", text=text)


async def contents(stores: Stores, collection: str) -> tuple[dict[str, set[str]], set[str], set[str]]:
    """Texts by document in PostgreSQL, texts in Milvus, chunk ids that differ between the three stores."""
    place = stores.library.place("default", collection)
    documents, _ = await stores.library.documents(place)
    held = {}
    ids: set[str] = set()
    for row in documents:
        _, chunks = await stores.library.document(place, row.id)
        held[row.id] = {chunk.text for chunk in chunks}
        ids |= {chunk.id for chunk in chunks}
    query = stores.milvus.client.query(
        place.physical, filter='id != ""', output_fields=["id", "text"], limit=1_000
    )
    rows = list(await query)
    names = ", ".join(f'"{vertex(f"page number {n}")}"' for n in range(12))
    _, linked = await stores.nebula.execute(
        collection, f"GO FROM {names} OVER about REVERSELY YIELD DISTINCT src(edge) AS c"
    )
    graph = {row[0] for row in linked}
    return held, {row["text"] for row in rows}, ({row["id"] for row in rows} ^ ids) | (graph ^ ids)


def expected(documents: dict[str, Document]) -> dict[str, set[str]]:
    return {
        key: {line for line in document.text.split("\n") if line and not line.startswith("#")}
        for key, document in documents.items()
    }


def points() -> Iterator[tuple[str, bool]]:
    yield from ((step, after) for step in STEPS for after in (False, True))


@pytest.mark.parametrize(("step", "after"), list(points()))
async def test_a_death_at_any_step_is_repaired_by_sending_again(
    graph: Settings, step: str, after: bool
) -> None:
    first = [page(1, "Alpha", "Beta"), page(2, "Gamma")]
    second = [page(1, "Alpha", "Delta"), page(3, "Epsilon about Page number 1")]
    async with open_stores(graph) as stores:
        await stores.ingest.upsert("default", "crash", first)
        await stores.ingest.upsert("default", "crash", [page(3, "Old")])
        dying(*owner_of(stores, step), after=after)
        with pytest.raises(Died):
            await stores.ingest.upsert("default", "crash", second)
    async with open_stores(graph) as stores:
        await stores.ingest.upsert("default", "crash", second)
        wanted = expected({"p1": second[0], "p2": first[1], "p3": second[1]})
        held, found, differing = await contents(stores, "crash")
        assert held == wanted
        assert found == set().union(*wanted.values())
        assert differing == set()


async def test_repair_alone_finishes_what_was_declared(graph: Settings) -> None:
    async with open_stores(graph) as stores:
        await stores.ingest.upsert("default", "repaired", [page(1, "Alpha", "Beta")])
        dying(stores.milvus, "upsert", after=False)
        with pytest.raises(Died):
            await stores.ingest.upsert("default", "repaired", [page(1, "Alpha", "Delta")])
    async with open_stores(graph) as stores:
        await stores.ingest.repair()
        held, found, differing = await contents(stores, "repaired")
        assert held == {"p1": {"Alpha of page 1.", "Delta of page 1."}}
        assert (found, differing) == (held["p1"], set())


@pytest.mark.parametrize("seed", range(2))
async def test_random_changes_end_as_a_plain_model_says(graph: Settings, seed: int) -> None:
    chance = random.Random(seed)
    collection = f"model{seed}"
    model: dict[str, Document] = {}
    async with open_stores(graph) as stores:
        for _ in range(15):
            number = chance.randrange(5)
            if chance.random() < 0.3 and f"p{number}" in model:
                await stores.ingest.delete("default", collection, f"p{number}")
                del model[f"p{number}"]
                continue
            mentioned = f"See Page number {chance.randrange(5)}"
            parts = chance.sample(["Alpha", "Beta", "Gamma", mentioned], chance.randint(1, 3))
            model[f"p{number}"] = page(number, *parts)
            await stores.ingest.upsert("default", collection, [model[f"p{number}"]])
        held, found, differing = await contents(stores, collection)
        assert held == expected(model)
        assert found == set().union(*expected(model).values())
        assert differing == set()
        for number in range(5):
            _, rows = await stores.nebula.execute(
                collection,
                f'GO FROM "{vertex(f"page number {number}")}" OVER mentions REVERSELY YIELD src(edge) AS c',
            )
            mentions = sum(
                f"Page number {number}" in text
                for key, texts in held.items()
                if key != f"p{number}"
                for text in texts
            )
            assert len(rows) == (mentions if f"p{number}" in model else 0)
