"""What a death left undone is finished alone, and any changes end as a plain model says."""

import random
from typing import Any

import pytest

from servers.bridge.services import Services, open_services
from servers.bridge.text.title_names import vertex
from tools.schema import Document
from tools.settings import Settings


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


def page(number: int, *parts: str) -> Document:
    text = "\n\n".join(f"# Part {n}\n\n{part} of page {number}." for n, part in enumerate(parts))
    return Document(id=f"p{number}", title=f"Page number {number}", text=text)


async def contents(stores: Services, collection: str) -> tuple[dict[str, set[str]], set[str], set[str]]:
    """Texts by document in PostgreSQL, texts in Milvus, chunk ids that differ between the three stores."""
    location = stores.repository.location("default", collection)
    documents, _ = await stores.repository.documents(location)
    held = {}
    ids: set[str] = set()
    for row in documents:
        _, chunks = await stores.repository.document(location, row.id)
        held[row.id] = {chunk.text for chunk in chunks}
        ids |= {chunk.id for chunk in chunks}
    query = stores.milvus.client.query(
        location.physical, filter='id != ""', output_fields=["id", "text"], limit=1_000
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


async def test_repair_alone_finishes_what_was_declared(graph: Settings) -> None:
    async with open_services(graph) as stores:
        await stores.ingest.upsert("default", "repaired", [page(1, "Alpha", "Beta")])
        dying(stores.milvus, "upsert", after=False)
        with pytest.raises(Died):
            await stores.ingest.upsert("default", "repaired", [page(1, "Alpha", "Delta")])
    async with open_services(graph) as stores:
        await stores.ingest.repair()
        held, found, differing = await contents(stores, "repaired")
        assert held == {"p1": {"Alpha of page 1.", "Delta of page 1."}}
        assert (found, differing) == (held["p1"], set())


@pytest.mark.parametrize("seed", range(2))
async def test_random_changes_end_as_a_plain_model_says(graph: Settings, seed: int) -> None:
    chance = random.Random(seed)
    collection = f"model{seed}"
    model: dict[str, Document] = {}
    async with open_services(graph) as stores:
        for _ in range(15):
            number = chance.randrange(5)
            if chance.random() < 0.2 and f"p{number}" in model:
                new = f"q{chance.randrange(3)}"
                model[new] = model.pop(f"p{number}").model_copy(update={"id": new, "source": "moved"})
                await stores.ingest.upsert("default", collection, [model[new]])
                await stores.ingest.delete("default", collection, f"p{number}")
                continue
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
            title = f"Page number {number}"
            mentions = sum(
                title in text for key, texts in held.items() if model[key].title != title for text in texts
            )
            titled = any(document.title == title for document in model.values())
            assert len(rows) == (mentions if titled else 0)
