"""A document that moves is one document at every moment; what differs is told in one question."""

import asyncio
from urllib.parse import quote

import httpx
import pytest

from servers.bridge.manifest.locks import WRITERS
from servers.bridge.services import Services, open_services
from tests.bridge.conftest import Shelf, wait_until
from tools.errors import DocumentNotFound, StoreUnavailable
from tools.schema import Document, Origin
from tools.settings import Settings

ROOT = "file:///srv/docs/"


def page(name: str, text: str = "The price is 36 euros.", *, title: str = "Prices") -> Document:
    origin = Origin(id=ROOT + name, source_uri=ROOT, hash=f"hash of {text}", reader="r1", documents=1)
    return Document(id=ROOT + name, title=title, text=text, origin=origin)


async def state(stores: Services, collection: str) -> dict[str, str]:
    """The finished documents and the texts that Milvus holds, by document."""
    location = await stores.repository.where("default", collection)
    rows, _ = await stores.repository.documents(location)
    found = await stores.milvus.client.query(
        location.physical, filter='id != ""', output_fields=["document_id", "text"], limit=1_000
    )
    texts = {row["document_id"]: row["text"] for row in found}
    assert {row.id for row in rows} == texts.keys()
    return texts


async def test_a_moved_document_keeps_its_history_and_is_there_once(graph: Settings) -> None:
    async with open_services(graph) as stores:
        await stores.ingest.upsert("default", "moving", [page("old.md")])
        location = await stores.repository.where("default", "moving")
        before, _ = await stores.repository.document(location, f"{ROOT}old.md")
        moved = page("new.md", title="Other title").model_copy(update={"formerly": f"{ROOT}old.md"})
        report = await stores.ingest.upsert("default", "moving", [moved])
        assert report.moved == {f"{ROOT}new.md": f"{ROOT}old.md"}
        assert (report.added, report.changed, report.accepted) == ([], [], 1)
        row, _ = await stores.repository.document(location, f"{ROOT}new.md")
        assert (row.former_ids, row.created_at) == ([f"{ROOT}old.md"], before.created_at)
        assert await state(stores, "moving") == {f"{ROOT}new.md": "The price is 36 euros."}
        again = await stores.ingest.upsert("default", "moving", [moved])
        assert (again.unchanged, again.moved) == (1, {})


async def test_only_the_same_content_is_taken_over_and_only_once(graph: Settings) -> None:
    async with open_services(graph) as stores:
        legacy = Document(id="docs/tarifa.md", title="Prices", text="The price is 36 euros.")
        other = Document(id="docs/otra.md", title="Prices", text="The price is 99 euros.")
        await stores.ingest.upsert("default", "taking", [legacy, other])
        new = [
            page("tarifa.md").model_copy(update={"formerly": "docs/tarifa.md"}),
            page("copy/tarifa.md").model_copy(update={"formerly": "docs/tarifa.md"}),
            page("otra.md").model_copy(update={"formerly": "docs/otra.md"}),
        ]
        report = await stores.ingest.upsert("default", "taking", new)
        assert report.moved == {f"{ROOT}tarifa.md": "docs/tarifa.md"}
        assert await state(stores, "taking") == {
            f"{ROOT}tarifa.md": "The price is 36 euros.",
            f"{ROOT}copy/tarifa.md": "The price is 36 euros.",
            f"{ROOT}otra.md": "The price is 36 euros.",
            "docs/otra.md": "The price is 99 euros.",
        }


async def test_a_file_of_an_old_home_is_taken_over_though_its_text_has_changed(graph: Settings) -> None:
    """Before ids were addresses a file was called after its folder, and so was its source."""
    async with open_services(graph) as stores:
        old = [
            Document(id=name, title="Prices", text=text, source=name)
            for name, text in (("docs/a.md", "It cost 30 euros."), ("docs/b.md", "The price is 36 euros."))
        ]
        by_hand = Document(id="docs/c.md", title="Prices", text="It cost 10 euros.", source="a letter")
        await stores.ingest.upsert("default", "old_home", [*old, by_hand])
        new = [
            page("copy/b.md", "The price is 40 euros.").model_copy(update={"formerly": "docs/b.md"}),
            page("b.md").model_copy(update={"formerly": "docs/b.md"}),
            page("a.md").model_copy(update={"formerly": "docs/a.md"}),
            page("c.md").model_copy(update={"formerly": "docs/c.md"}),
        ]
        report = await stores.ingest.upsert("default", "old_home", new)
        assert report.moved == {f"{ROOT}a.md": "docs/a.md", f"{ROOT}b.md": "docs/b.md"}
        assert await state(stores, "old_home") == {
            f"{ROOT}a.md": "The price is 36 euros.",
            f"{ROOT}b.md": "The price is 36 euros.",
            f"{ROOT}copy/b.md": "The price is 40 euros.",
            f"{ROOT}c.md": "The price is 36 euros.",
            "docs/c.md": "It cost 10 euros.",
        }


async def test_a_new_document_in_the_old_place_survives_the_repair_of_a_move(graph: Settings) -> None:
    """The move died before it was finished; meanwhile somebody wrote another document where it came from."""
    async with open_services(graph) as stores:
        await stores.ingest.upsert("default", "reused", [page("old.md")])

        async def dead(*_: object, **__: object) -> None:
            raise StoreUnavailable("gone", source="milvus")

        real, stores.milvus.write = stores.milvus.write, dead
        with pytest.raises(StoreUnavailable):
            moved = page("new.md").model_copy(update={"formerly": f"{ROOT}old.md"})
            await stores.ingest.upsert("default", "reused", [moved])
        stores.milvus.write = real
        await stores.ingest.upsert("default", "reused", [page("old.md", "The price is 40 euros.")])
        await stores.ingest.repair()
        assert await state(stores, "reused") == {
            f"{ROOT}old.md": "The price is 40 euros.",
            f"{ROOT}new.md": "The price is 36 euros.",
        }


def test_what_differs_is_told_in_one_question(shelf: Shelf) -> None:
    rows = [page("same.md", "Same."), page("changed.md", "Before."), page("gone.md", "Gone.")]
    rows.append(page("half.md", "Half.").model_copy(deep=True))
    rows[3].origin.documents = 2  # type: ignore[union-attr]  # it has one
    body = {"collection": shelf.name, "documents": [row.model_dump(exclude_none=True) for row in rows]}
    assert shelf.client.post("/api/v1/documents", json=body).json()["added"] == [row.id for row in rows]

    def ask(reader: str, **hashes: str) -> dict[str, dict]:
        known = [{"id": f"{ROOT}{name}.md", "hash": f"hash of {text}"} for name, text in hashes.items()]
        request = {"collection": shelf.name, "documents": known, "reader": reader}
        answer = shelf.client.post("/api/v1/documents/differences", json=request)
        assert answer.status_code == 200, answer.text
        return {row["id"].removeprefix(ROOT).removesuffix(".md"): row for row in answer.json()["documents"]}

    found = ask("r1", same="Same.", changed="After.", half="Half.", moved="Gone.")
    statuses = {name: row["status"] for name, row in found.items()}
    assert statuses == {"same": "same", "changed": "changed", "half": "changed", "moved": "new"}
    assert found["same"]["documents"] == [f"{ROOT}same.md"]
    kept = {name: row["hash"] for name, row in found.items()}
    assert kept == {"same": "hash of Same.", "changed": "hash of Before.", "half": "", "moved": ""}
    assert found["moved"]["elsewhere"] == [f"{ROOT}gone.md"]
    other = ask("r2", same="Same.")["same"]
    assert (other["status"], other["hash"]) == ("changed", ""), "another reader may read it otherwise"
    listed = shelf.client.get("/api/v1/documents", params={"collection": shelf.name, "source": ROOT}).json()
    assert {(row["origin"], row["source_uri"]) for row in listed["documents"]} == {
        (row.id, ROOT) for row in rows
    }


def test_a_document_that_is_called_by_an_address_is_read_and_deleted_by_it(shelf: Shelf) -> None:
    key = f"{ROOT}año%202026/nº%201.md"
    shelf.put(**{key: "The price is 36 euros."})
    path = f"/api/v1/documents/{quote(key)}"
    assert shelf.client.get(path, params={"collection": shelf.name}).json()["id"] == key
    assert shelf.client.delete(path, params={"collection": shelf.name}).json()["deleted"] == key
    assert shelf.listed() == []


async def test_many_writers_at_once_wait_for_their_turn(graph: Settings) -> None:
    """Each holds a connection and needs a second one: without turns they would starve each other."""
    async with open_services(graph) as stores:
        await stores.ingest.upsert("default", "pressed", [Document(id="x", text="One page.")])

        async def delete() -> int:
            try:
                await stores.ingest.delete("default", "pressed", "x")
            except DocumentNotFound:
                return 0
            return 1

        assert sum(await asyncio.gather(*(delete() for _ in range(8 * WRITERS)))) == 1
        assert not stores.postgres.breaker.open
        assert stores.repository.locks.waiting == 0


def test_what_was_accepted_goes_on_as_a_job(bridge: httpx.Client) -> None:
    body = {
        "collection": "handed_over",
        "documents": [{"id": "a", "text": "The price is 36 euros."}],
        "wait_s": 0,
    }
    answer = bridge.post("/api/v1/documents", json=body)
    assert answer.status_code == 202, answer.text
    path = f"/api/v1/ingest/jobs/{answer.json()['job_id']}"
    wait_until(lambda: bridge.get(path).json()["state"] != "running")
    job = bridge.get(path).json()
    assert (job["state"], job["accepted"], job["total"]) == ("done", 1, 1)
