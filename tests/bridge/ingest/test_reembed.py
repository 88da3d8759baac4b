"""Collections with an embedder of their own, and another one given while they are searched and written."""

import asyncio
import subprocess
import sys

import httpx
import pytest

from servers.bridge.services import Services, open_services
from tests.bridge.embedder import NAME, SIZE, Words, embedding
from tools.errors import BadRequest, Capibara6Error, Conflict, EmbedderMissing
from tools.schema import Document, SearchRequest
from tools.settings import Settings

TEXTS = {
    "pool": "The pool keeps three models.",
    "graph": "The graph listens on a port.",
    "mail": "Mail is sent.",
}


def page(key: str, text: str, **changes: object) -> Document:
    return Document.model_validate({"id": key, "text": text, **changes})


async def filled(stores: Services, name: str) -> None:
    await stores.ingest.upsert("default", name, [page(key, text) for key, text in TEXTS.items()])


async def found(stores: Services, name: str, query: str, **options: object) -> list[str]:
    request = SearchRequest.model_validate({"query": query, "collection": name, **options})
    answer = await stores.search.run("default", request)
    assert answer.degraded == []
    return [hit.document_id for hit in answer.results]


async def ended(stores: Services, job: str) -> str:
    task = stores.jobs.running.get(job)
    if task is not None:
        await asyncio.wait({task}, timeout=60)
    return (await stores.jobs.get("default", job)).state


async def held(stores: Services, name: str) -> tuple[set[str], set[str]]:
    """Passages that Milvus holds, passages that the manifest names."""
    location = await stores.repository.where("default", name)
    query = stores.milvus.client.query(
        location.physical, filter='id != ""', output_fields=["id"], limit=1_000
    )
    rows = list(await query)
    documents, _ = await stores.repository.documents(location)
    _, chunks = await stores.repository.rows_of(location, [row.id for row in documents])
    return {row["id"] for row in rows}, {row.id for rows in chunks.values() for row in rows}


async def start(stores: Services, name: str) -> str:
    stores.collections.reembedding.grace_s = 0.0
    return await stores.collections.reembed("default", name, NAME)


async def begun(words: Words) -> None:
    async with asyncio.timeout(60):
        await words.begun.wait()


async def test_a_collection_gets_another_embedder_and_the_old_vectors_go(graph: Settings) -> None:
    async with embedding(graph) as (words, settings), open_services(settings) as stores:
        await filled(stores, "again")
        before = await stores.repository.where("default", "again")
        assert await ended(stores, await start(stores, "again")) == "done"
        now = await stores.repository.where("default", "again")
        assert (now.embedder, now.physical != before.physical) == (NAME, True)
        assert before.physical not in await stores.milvus.names()
        assert (await found(stores, "again", "models pool", legs=["dense"]))[0] == "pool"
        embedded = len(words.asked)
        report = await stores.ingest.upsert("default", "again", [page("pool", TEXTS["pool"])])
        assert (report.unchanged, len(words.asked)) == (1, embedded)
        assert (await stores.collections.list("default"))[0].keys() >= {"embedder", "documents", "chunks"}


async def test_searches_go_on_and_writes_that_arrive_meanwhile_are_in_the_copy(graph: Settings) -> None:
    async with embedding(graph) as (words, settings), open_services(settings) as stores:
        await filled(stores, "busy")
        words.gate.clear()
        job = await start(stores, "busy")
        await begun(words)
        assert (await found(stores, "busy", "pool of models"))[0] == "pool"
        changed = [page("mail", "Letters are sent by pigeon."), page("new", "A walrus appears.")]
        await stores.ingest.upsert("default", "busy", changed)
        await stores.ingest.upsert("default", "busy", [page("pool", TEXTS["pool"], source="elsewhere")])
        await stores.ingest.delete("default", "busy", "graph")
        words.gate.set()
        assert await ended(stores, job) == "done"
        in_milvus, in_manifest = await held(stores, "busy")
        assert in_milvus == in_manifest
        assert (await found(stores, "busy", "walrus", legs=["dense"]))[0] == "new"
        assert (await found(stores, "busy", "pigeon", legs=["text"])) == ["mail"]


async def test_a_copy_that_is_cancelled_or_fails_leaves_all_as_it_was(graph: Settings) -> None:
    async with embedding(graph) as (words, settings), open_services(settings) as stores:
        await filled(stores, "kept")
        before = await stores.repository.where("default", "kept")
        words.gate.clear()
        job = await start(stores, "kept")
        await begun(words)
        await stores.jobs.cancel("default", job)
        assert await ended(stores, job) == "cancelled"
        words.gate.set()
        words.kind = "size"
        await stores.ingest.upsert("default", "kept", [page("bad", "A spoilt page.")])
        assert await ended(stores, await start(stores, "kept")) == "failed"
        assert await stores.repository.where("default", "kept") == before
        left = [name for name in await stores.milvus.names() if name.startswith("kept__")]
        assert left == [before.physical]


async def test_what_an_interrupted_copy_left_is_dropped_by_the_next(graph: Settings) -> None:
    async with embedding(graph) as (_, settings), open_services(settings) as stores:
        await filled(stores, "swept")
        await stores.milvus.ensure("swept__r0123abcd", dimensions=8)
        assert await ended(stores, await start(stores, "swept")) == "done"
        assert len([name for name in await stores.milvus.names() if name.startswith("swept__")]) == 1


async def test_two_copies_of_one_collection_do_not_run_at_once(graph: Settings) -> None:
    async with embedding(graph) as (words, settings), open_services(settings) as stores:
        await filled(stores, "twice")
        words.gate.clear()
        first = await start(stores, "twice")
        await begun(words)
        with pytest.raises(Conflict):
            await stores.collections.reembedding.run("default", "twice", NAME, _nobody)
        words.gate.set()
        assert await ended(stores, first) == "done"


async def test_a_collection_is_made_with_its_own_embedder_and_keeps_it(graph: Settings) -> None:
    async with embedding(graph) as (words, settings), open_services(settings) as stores:
        row, made = await stores.collections.create("default", "own", NAME, ["es"])
        assert (row["embedder"], row["dimensions"], row["languages"], made) == (NAME, SIZE, ["es"], True)
        assert (await stores.collections.create("default", "own", NAME, []))[1] is False
        with pytest.raises(Conflict):
            await stores.collections.create("default", "own", "minilm", [])
        with pytest.raises(BadRequest):
            await stores.collections.create("default", "other", "nobody", [])
        await filled(stores, "own")
        assert any("three models" in text for text in words.asked)
    async with open_services(graph) as stores:
        answer = await stores.search.run("default", SearchRequest(query="three models", collection="own"))
        assert ("dense" in answer.degraded, answer.results[0].document_id) == (True, "pool")


async def test_a_collection_of_minilm_stays_with_it_until_it_is_embedded_again(graph: Settings) -> None:
    question = SearchRequest(query="How many models may be loaded?", collection="older", legs=["dense"])
    small = graph.model_copy(update={"embedder": graph.embedder.model_copy(update={"backend": "minilm"})})
    async with open_services(small) as stores:
        await filled(stores, "older")
        before = await stores.search.run("default", question)
    async with open_services(graph) as stores:
        await filled(stores, "older")
        row = await stores.repository.collection("default", "older")
        assert row is not None and row.embedder == "minilm-l6-v2" != stores.embedder.name
        after = await stores.search.run("default", question)
        assert [(hit.id, hit.score) for hit in after.results] == [
            (hit.id, hit.score) for hit in before.results
        ]
        job = await stores.collections.reembed("default", "older", None)
        assert await ended(stores, job) == "done"
        row = await stores.repository.collection("default", "older")
        assert row is not None and row.embedder == stores.embedder.name
        again = await stores.search.run("default", question)
        assert again.results and not again.degraded


@pytest.mark.parametrize("kind", ["size", "nan", "zero", "words", "short"])
async def test_a_document_that_the_embedder_spoils_is_reported_and_the_rest_written(
    graph: Settings, kind: str
) -> None:
    async with embedding(graph) as (words, settings), open_services(settings) as stores:
        words.kind = kind
        name = f"spoilt_{kind}"
        await stores.collections.create("default", name, NAME, [])
        pages = [page("good", "All is well."), page("bad", "This is spoilt."), page("fine", "Well again.")]
        report = await stores.ingest.upsert("default", name, pages)
        assert (report.accepted, [item.id for item in report.failed]) == (2, ["bad"])
        assert await held(stores, name) == ((await held(stores, name))[1],) * 2
        words.kind = ""
        assert (await stores.ingest.upsert("default", name, pages)).accepted == 1


async def test_sentence_transformers_says_how_to_get_it(graph: Settings) -> None:
    chosen = graph.embedder.model_copy(update={"backend": "sentence-transformers", "model": "any"})
    async with open_services(graph.model_copy(update={"embedders": {"any": chosen}})) as stores:
        try:
            await stores.embedders.get("any").embed(["one"])
        except EmbedderMissing as exc:
            assert "uv pip install sentence-transformers" in exc.message
        except (BadRequest, Capibara6Error) as exc:
            assert "can not load" in exc.message


async def _nobody(done: int, of: int) -> None:
    return None


def test_the_command_waits_for_the_job_behind_the_door(bridge: httpx.Client, graph: Settings) -> None:
    documents = [{"id": key, "text": text} for key, text in TEXTS.items()]
    bridge.post("/api/v1/documents", json={"collection": "typed", "documents": documents})
    command = [sys.executable, "-m", "servers", "reembed", "typed"]
    ran = subprocess.run(
        command, check=False, env=graph.environment(), capture_output=True, text=True, timeout=100
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "Hecho: versión 2."), ran.stderr
    (row,) = [
        row for row in bridge.get("/api/v1/collections").json()["collections"] if row["name"] == "typed"
    ]
    assert (row["embedder"], row["documents"], row["version"]) == (
        "multilingual-e5-small+minilm-l6-v2",
        3,
        2,
    )
    assert bridge.post("/api/v1/collections/never_made/reembed").status_code == 404
    made = bridge.post("/api/v1/collections", json={"name": "typed", "languages": ["es"]})
    assert (made.status_code, made.json()["languages"]) == (200, ["en"])
