"""HTTP routes for documents, ingestion jobs, hybrid search and embeddings: translation and nothing else."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from servers.bridge.http.dependencies import (
    AuditDep,
    ReadTenant,
    ServicesDep,
    WriteTenant,
)
from servers.bridge.http.requests import EmbeddingRequest
from servers.bridge.http.responses import (
    DeletedDocument,
    DocumentList,
    DocumentView,
    ExtractionReport,
    JobList,
    JobView,
    OpenAIEmbedding,
    OpenAIEmbeddings,
    OpenAIUsage,
    PassageView,
    TextVectors,
)
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
async def hybrid_search(
    body: SearchRequest, services: ServicesDep, tenant: ReadTenant, entry: AuditDep
) -> SearchResponse:
    """The best passages of a collection for a question; `degraded` names what did not answer."""
    found = await services.search.run(tenant, body)
    entry.rows = len(found.results)
    return found


@router.post("/embeddings", tags=["search"])
async def embeddings(
    body: EmbeddingRequest, services: ServicesDep, _: ReadTenant
) -> TextVectors | OpenAIEmbeddings:
    """Vectors of texts by the default embedder; `input` is answered as OpenAI's API does."""
    embedder = services.embedder
    vectors = (await embedder.embed(body.wanted)).tolist()
    if body.texts is not None:
        return TextVectors(vectors=vectors, model=embedder.name, dimensions=embedder.dimensions)
    data = [OpenAIEmbedding(index=n, embedding=vector) for n, vector in enumerate(vectors)]
    words = sum(len(text.split()) for text in body.wanted)
    usage = OpenAIUsage(prompt_tokens=words, total_tokens=words)
    return OpenAIEmbeddings(data=data, model=embedder.name, usage=usage)


@router.post("/documents", tags=["documents"])
async def upsert(
    body: IngestRequest, services: ServicesDep, tenant: WriteTenant, response: Response
) -> IngestReport:
    """Write documents that have changed and wait for it; with `wait: false`, as a job."""
    if body.wait:
        return await services.jobs.run(tenant, body.collection, body.documents)
    return await start_job(body, services, tenant, response)


@router.get("/documents", tags=["documents"], response_model_exclude_none=True)
async def documents(
    services: ServicesDep,
    tenant: ReadTenant,
    collection: InCollection = "capibara6",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 1_000,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    id: Chosen = None,
    prefix: Chosen = None,
) -> DocumentList:
    """One page of finished documents in order of id: all, or those of these ids, or those whose id (or
    `metadata.origin`) begins so."""
    location = services.repository.location(tenant, collection)
    only = DocumentFilter(id or (), prefix or ())
    rows, total = await services.repository.documents(location, limit=limit, offset=offset, only=only)
    ran = await services.ingest.extractions.ran(location, rows)
    views = [DocumentView(**row.model_dump(), metadata=row.meta, extractors=ran[row.id]) for row in rows]
    return DocumentList(documents=views, total=total)


@router.get("/documents/{document_id:path}", tags=["documents"])
async def document(
    document_id: str, services: ServicesDep, tenant: ReadTenant, collection: InCollection = "capibara6"
) -> DocumentView:
    """One document with its passages in order."""
    location = services.repository.location(tenant, collection)
    row, chunks = await services.repository.document(location, document_id)
    ran = await services.ingest.extractions.ran(location, [row])
    passages = [
        PassageView(id=chunk.id, position=chunk.position, heading=chunk.heading, text=chunk.text)
        for chunk in chunks
    ]
    return DocumentView(**row.model_dump(), metadata=row.meta, extractors=ran[row.id], passages=passages)


@router.put("/documents/{document_id:path}/graph", tags=["documents"])
async def put_graph(
    document_id: str,
    body: Extraction,
    services: ServicesDep,
    tenant: WriteTenant,
    collection: InCollection = "capibara6",
) -> ExtractionReport:
    """Replace what one extractor found in a document, as it was when it had `content_hash`."""
    location = services.repository.location(tenant, collection)
    return ExtractionReport(**await services.ingest.extractions.put(location, document_id, body))


@router.delete("/documents/{document_id:path}", tags=["documents"])
async def delete_document(
    document_id: str, services: ServicesDep, tenant: WriteTenant, collection: InCollection = "capibara6"
) -> DeletedDocument:
    """Remove every trace of a document."""
    version = await services.ingest.delete(tenant, collection, document_id)
    return DeletedDocument(deleted=document_id, collection_version=version)


@router.post("/ingest/jobs", tags=["jobs"], status_code=202)
async def start_job(
    body: IngestRequest, services: ServicesDep, tenant: WriteTenant, response: Response
) -> IngestReport:
    """Write documents in the background."""
    response.status_code = 202
    job_id = await services.jobs.start(tenant, body.collection, body.documents)
    return IngestReport(job_id=job_id)


@router.get("/ingest/jobs", tags=["jobs"])
async def jobs(services: ServicesDep, tenant: ReadTenant) -> JobList:
    """The tenant's last hundred jobs, newest first."""
    return JobList(jobs=[JobView(**row.model_dump()) for row in await services.jobs.list(tenant)])


@router.get("/ingest/jobs/{job_id}", tags=["jobs"])
async def job(job_id: str, services: ServicesDep, tenant: ReadTenant) -> JobView:
    """How far a job is."""
    return JobView(**(await services.jobs.get(tenant, job_id)).model_dump())


@router.delete("/ingest/jobs/{job_id}", tags=["jobs"])
async def cancel_job(job_id: str, services: ServicesDep, tenant: WriteTenant) -> JobView:
    """Stop a job; what it has written stays."""
    return JobView(**(await services.jobs.cancel(tenant, job_id)).model_dump())
