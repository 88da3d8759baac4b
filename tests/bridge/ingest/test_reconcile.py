"""Milvus and the manifest disagree: answers hold only what a document has, and both are brought together."""

from servers.bridge.services import Services, open_services
from tools.schema import Document, SearchRequest
from tools.settings import Settings

POOL = Document(id="pool", title="Pool", text="The pool keeps at most three models loaded.")
PORT = Document(id="port", title="Port", text="The pool of models listens on port 8082.")


async def found(stores: Services, collection: str, query: str) -> list[str]:
    answer = await stores.search.run("default", SearchRequest(query=query, collection=collection))
    assert answer.degraded == []
    return sorted(hit.document_id for hit in answer.results)


async def test_a_vector_without_its_row_is_dropped_counted_and_deleted(graph: Settings) -> None:
    async with open_services(graph) as stores:
        await stores.ingest.upsert("default", "stray", [POOL, PORT])
        location = await stores.repository.where("default", "stray")
        _, (chunk,) = await stores.repository.document(location, "pool")
        (row,) = (await stores.milvus.get(location.physical, [chunk.id], fields=["*"])).values()
        await stores.ingest.delete("default", "stray", "pool")
        await stores.milvus.upsert(location.physical, [{key: row[key] for key in row if key != "sparse"}])
        assert await found(stores, "stray", "models of the pool") == ["port"]
        assert stores.search.orphans.dropped == 1
        assert await stores.ingest.reconciler.sweep() == 1
        assert await stores.milvus.get(location.physical, [chunk.id], fields=["id"]) == {}


async def test_a_row_without_its_vector_is_found_and_written_again(graph: Settings) -> None:
    async with open_services(graph) as stores:
        await stores.ingest.upsert("default", "lost", [POOL, PORT])
        location = await stores.repository.where("default", "lost")
        _, (chunk,) = await stores.repository.document(location, "pool")
        await stores.milvus.delete(location.physical, [chunk.id])
        assert await stores.ingest.reconciler.mark_lost("default", "lost") == 1
        await stores.ingest.repair()
        assert await stores.ingest.reconciler.mark_lost("default", "lost") == 0
        assert await found(stores, "lost", "models of the pool") == ["pool", "port"]


async def test_rows_that_callers_insert_themselves_are_nobodys_orphans(graph: Settings) -> None:
    async with open_services(graph) as stores:
        await stores.ingest.upsert("default", "foreign", [POOL])
        location = await stores.repository.where("default", "foreign")
        _, (chunk,) = await stores.repository.document(location, "pool")
        (row,) = (await stores.milvus.get(location.physical, [chunk.id], fields=["*"])).values()
        own = {**{key: row[key] for key in row if key != "sparse"}, "id": "mine", "document_id": "mine"}
        await stores.milvus.upsert(location.physical, [own])
        assert await found(stores, "foreign", "models of the pool") == ["mine", "pool"]
