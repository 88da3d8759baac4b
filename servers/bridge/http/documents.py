"""The bridge's HTTP surface for documents, search and embeddings: translation and nothing else."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from servers.bridge.http.dependencies import Noted, Open, Reads, Writes
from servers.bridge.http.models import DocumentView, EmbeddingRequest, JobView
from servers.bridge.manifest.document_filter import DocumentFilter
from tools.schema import (
    CollectionName,
    Extraction,
    Identifier,
    IngestReport,
    IngestRequest,
    SearchRequest,
    SearchResponse,
)

router = APIRouter(prefix="/api/v1")


InCollection = Annotated[CollectionName, Query()]
Chosen = Annotated[list[Identifier] | None, Query(min_length=1, max_length=100)]


@router.post("/rag/hybrid-search", tags=["search"])
async def hybrid_search(body: SearchRequest, stores: Open, tenant: Reads, entry: Noted) -> SearchResponse:
    found = await stores.search.run(tenant, body)
    entry.rows = len(found.results)
    return found


@router.post("/embeddings", tags=["search"])
async def embeddings(body: EmbeddingRequest, stores: Open, _: Reads) -> dict[str, Any]:
    vectors = (await stores.embedder.embed(body.wanted)).tolist()
    if body.texts is not None:
        return {"vectors": vectors, "model": stores.embedder.name, "dimensions": stores.embedder.dimensions}
    data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    words = sum(len(text.split()) for text in body.wanted)
    usage = {"prompt_tokens": words, "total_tokens": words}
    return {"object": "list", "data": data, "model": stores.embedder.name, "usage": usage}


@router.post("/documents", tags=["documents"])
async def upsert(body: IngestRequest, stores: Open, tenant: Writes, response: Response) -> IngestReport:
    if body.wait:
        return await stores.jobs.run(tenant, body.collection, body.documents)
    return await start_job(body, stores, tenant, response)


@router.get("/documents", tags=["documents"])
async def documents(
    stores: Open,
    tenant: Reads,
    collection: InCollection = "capibara6",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 1_000,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    id: Chosen = None,
    prefix: Chosen = None,
) -> dict[str, Any]:
    """All documents, or those of these ids, or those whose id (or `metadata.origin`) begins so."""
    place = stores.library.place(tenant, collection)
    only = DocumentFilter(id or (), prefix or ())
    rows, total = await stores.library.documents(place, limit=limit, offset=offset, only=only)
    ran = await stores.ingest.extractions.ran(place, rows)
    views = [DocumentView(**row.model_dump(), metadata=row.meta, extractors=ran[row.id]) for row in rows]
    return {"documents": [view.model_dump(exclude_none=True) for view in views], "total": total}


@router.get("/documents/{document_id:path}", tags=["documents"])
async def document(
    document_id: str, stores: Open, tenant: Reads, collection: InCollection = "capibara6"
) -> DocumentView:
    place = stores.library.place(tenant, collection)
    row, chunks = await stores.library.document(place, document_id)
    ran = await stores.ingest.extractions.ran(place, [row])
    passages = [
        {"id": chunk.id, "position": chunk.position, "heading": chunk.heading, "text": chunk.text}
        for chunk in chunks
    ]
    return DocumentView(**row.model_dump(), metadata=row.meta, extractors=ran[row.id], passages=passages)


@router.put("/documents/{document_id:path}/graph", tags=["documents"])
async def put_graph(
    document_id: str, body: Extraction, stores: Open, tenant: Writes, collection: InCollection = "capibara6"
) -> dict[str, Any]:
    place = stores.library.place(tenant, collection)
    return await stores.ingest.extractions.put(place, document_id, body)


@router.delete("/documents/{document_id:path}", tags=["documents"])
async def delete_document(
    document_id: str, stores: Open, tenant: Writes, collection: InCollection = "capibara6"
) -> dict[str, Any]:
    version = await stores.ingest.delete(tenant, collection, document_id)
    return {"deleted": document_id, "collection_version": version}


@router.post("/ingest/jobs", tags=["jobs"], status_code=202)
async def start_job(body: IngestRequest, stores: Open, tenant: Writes, response: Response) -> IngestReport:
    response.status_code = 202
    job_id = await stores.jobs.start(tenant, body.collection, body.documents)
    return IngestReport(job_id=job_id)


@router.get("/ingest/jobs", tags=["jobs"])
async def jobs(stores: Open, tenant: Reads) -> dict[str, list[JobView]]:
    return {"jobs": [JobView(**row.model_dump()) for row in await stores.jobs.list(tenant)]}


@router.get("/ingest/jobs/{job_id}", tags=["jobs"])
async def job(job_id: str, stores: Open, tenant: Reads) -> JobView:
    return JobView(**(await stores.jobs.get(tenant, job_id)).model_dump())


@router.delete("/ingest/jobs/{job_id}", tags=["jobs"])
async def cancel_job(job_id: str, stores: Open, tenant: Writes) -> JobView:
    return JobView(**(await stores.jobs.cancel(tenant, job_id)).model_dump())
