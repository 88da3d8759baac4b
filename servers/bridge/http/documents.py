"""HTTP routes for documents, ingestion jobs, hybrid search and embeddings: translation and nothing else."""

from base64 import b64encode
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Response
from numpy.typing import NDArray
from pydantic import Field

from servers.bridge.access.accounts import Accounts
from servers.bridge.http.caller import Caller
from servers.bridge.http.dependencies import AccountsDep, AuditDep, ReadCaller, WriteCaller
from servers.bridge.http.requests import DifferencesRequest, EmbeddingRequest
from servers.bridge.http.responses import (
    DeletedDocument,
    DifferenceList,
    DifferenceView,
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
from servers.bridge.ingest.author import Author
from servers.bridge.manifest.document_filter import DocumentFilter
from servers.bridge.manifest.origins import differences
from servers.bridge.manifest.texts import text_of
from tools.access.identity import LOCAL
from tools.errors import BadRequest
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
SourceUri = Annotated[str, Field(max_length=2_000, pattern=r"^[^\x00-\x1f]*$")]
Sources = Annotated[list[SourceUri] | None, Query(min_length=1, max_length=100)]


@router.post("/rag/hybrid-search", tags=["search"])
async def hybrid_search(body: SearchRequest, caller: ReadCaller, entry: AuditDep) -> SearchResponse:
    """The best passages of a collection for a question; `degraded` names what did not answer."""
    services = await caller.reading(body.collection)
    found = await services.search.run(caller.tenant, body)
    entry.rows = len(found.results)
    return found


@router.post("/embeddings", tags=["search"])
async def embeddings(body: EmbeddingRequest, caller: ReadCaller) -> TextVectors | OpenAIEmbeddings:
    """Vectors of texts by the embedder that `model` names, or the default one; `input` is answered as
    OpenAI's API does, `base64` with numbers of 32 bits, little end first."""
    embedder = caller.own().embedders.asked(body.model)
    if body.dimensions not in (None, embedder.dimensions):
        why = f"{embedder.name} has {embedder.dimensions} dimensions, and does not shorten them"
        raise BadRequest(why, param="dimensions", source="bridge")
    vectors = await embedder.embed(body.wanted, body.input_type)
    if body.texts is not None:
        return TextVectors(vectors=vectors.tolist(), model=embedder.name, dimensions=embedder.dimensions)
    shown = _packed(vectors) if body.encoding_format == "base64" else vectors.tolist()
    data = [OpenAIEmbedding(index=n, embedding=vector) for n, vector in enumerate(shown)]
    words = sum(len(text.split()) for text in body.wanted)
    usage = OpenAIUsage(prompt_tokens=words, total_tokens=words)
    return OpenAIEmbeddings(data=data, model=embedder.name, usage=usage)


@router.post("/documents", tags=["documents"])
async def upsert(
    body: IngestRequest, caller: WriteCaller, accounts: AccountsDep, response: Response
) -> IngestReport:
    """Write documents that have changed and wait for it, `wait_s` seconds at most: what takes longer goes on
    as a job (202), also when the caller leaves; with `wait: false`, as a job at once."""
    if not body.wait:
        return await start_job(body, caller, accounts, response)
    services = await caller.writing(body.collection, make=True)
    author = await _author(caller, accounts)
    report = await services.jobs.run(
        caller.tenant, body.collection, body.documents, author, wait_s=body.wait_s
    )
    response.status_code = 202 if report.job_id else 200
    return report


@router.get("/documents", tags=["documents"], response_model_exclude_none=True)
async def documents(
    caller: ReadCaller,
    collection: InCollection = "capibara6",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 1_000,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    id: Chosen = None,
    prefix: Chosen = None,
    source: Sources = None,
) -> DocumentList:
    """One page of finished documents in order of id: all, or those of these ids, or those whose id (or
    `origin`) begins so, or those that these sources brought."""
    services = await caller.reading(collection)
    location = services.repository.location(caller.tenant, collection)
    only = DocumentFilter(id or (), prefix or (), source or ())
    rows, total = await services.repository.documents(location, limit=limit, offset=offset, only=only)
    ran = await services.ingest.extractions.ran(location, rows)
    views = [DocumentView(**row.model_dump(), metadata=row.meta, extractors=ran[row.id]) for row in rows]
    return DocumentList(documents=views, total=total)


@router.post("/documents/differences", tags=["documents"])
async def document_differences(body: DifferencesRequest, caller: ReadCaller) -> DifferenceList:
    """Which of these documents, or files, are new, changed or the same: one call before many are sent."""
    services = await caller.reading(body.collection)
    location = await services.repository.where(caller.tenant, body.collection)
    hashes = {item.id: item.hash for item in body.documents}
    found = await differences(services.postgres, location, hashes, body.reader)
    return DifferenceList(documents=[DifferenceView(**vars(item)) for item in found])


@router.get("/documents/{document_id:path}", tags=["documents"])
async def document(
    document_id: str, caller: ReadCaller, collection: InCollection = "capibara6"
) -> DocumentView:
    """One document with its text, and its passages in order, each with its span of that text."""
    services = await caller.reading(collection)
    location = services.repository.location(caller.tenant, collection)
    row, chunks = await services.repository.document(location, document_id)
    ran = await services.ingest.extractions.ran(location, [row])
    passages = [
        PassageView(
            id=chunk.id,
            position=chunk.position,
            heading=chunk.heading,
            text=chunk.text,
            **(chunk.whereabouts or {}),
        )
        for chunk in chunks
    ]
    text = await text_of(services.repository.postgres, location, document_id)
    return DocumentView(
        **row.model_dump(), metadata=row.meta, extractors=ran[row.id], text=text, passages=passages
    )


@router.put("/documents/{document_id:path}/graph", tags=["documents"])
async def put_graph(
    document_id: str,
    body: Extraction,
    caller: WriteCaller,
    collection: InCollection = "capibara6",
) -> ExtractionReport:
    """Replace what one extractor found in a document, as it was when it had `content_hash`."""
    services = await caller.writing(collection)
    location = services.repository.location(caller.tenant, collection)
    return ExtractionReport(**await services.ingest.extractions.put(location, document_id, body))


@router.delete("/documents/{document_id:path}", tags=["documents"])
async def delete_document(
    document_id: str, caller: WriteCaller, collection: InCollection = "capibara6"
) -> DeletedDocument:
    """Remove every trace of a document."""
    services = await caller.writing(collection)
    version = await services.ingest.delete(caller.tenant, collection, document_id)
    return DeletedDocument(deleted=document_id, collection_version=version)


@router.post("/ingest/jobs", tags=["jobs"], status_code=202)
async def start_job(
    body: IngestRequest, caller: WriteCaller, accounts: AccountsDep, response: Response
) -> IngestReport:
    """Write documents in the background."""
    response.status_code = 202
    services = await caller.writing(body.collection, make=True)
    author = await _author(caller, accounts)
    job_id = await services.jobs.start(caller.tenant, body.collection, body.documents, author)
    return IngestReport(job_id=job_id)


@router.get("/ingest/jobs", tags=["jobs"])
async def jobs(caller: ReadCaller) -> JobList:
    """The caller's last hundred jobs, newest first."""
    rows = await caller.own().jobs.list(caller.tenant, caller.owner)
    return JobList(jobs=[JobView(**row.model_dump()) for row in rows])


@router.get("/ingest/jobs/{job_id}", tags=["jobs"])
async def job(job_id: str, caller: ReadCaller) -> JobView:
    """How far a job is."""
    row = await caller.own().jobs.get(caller.tenant, job_id, caller.owner)
    return JobView(**row.model_dump())


@router.delete("/ingest/jobs/{job_id}", tags=["jobs"])
async def cancel_job(job_id: str, caller: WriteCaller) -> JobView:
    """Stop a job; what it has written stays."""
    row = await caller.own().jobs.cancel(caller.tenant, job_id, caller.owner)
    return JobView(**row.model_dump())


async def _author(caller: Caller, accounts: Accounts) -> Author:
    """The caller as the author of documents, within their quota."""
    quota = await accounts.quota_of(caller.principal)
    return Author(caller.owner or LOCAL.user, quota.passages)


def _packed(vectors: NDArray[np.float32]) -> list[str]:
    """Each vector in base64, as OpenAI's API packs them: 32 bits a number, little end first."""
    return [b64encode(vector.astype("<f4").tobytes()).decode() for vector in vectors]
