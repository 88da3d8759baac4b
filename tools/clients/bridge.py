"""Client of the bridge: documents, search, jobs, embeddings, SQL and graph queries. Keys, users, sessions and
use are `accounts`' verbs, collections and their shares those of `collections`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, NotRequired
from urllib.parse import quote

from pydantic import ValidationError
from typing_extensions import TypedDict

from tools.clients.accounts import Accounts
from tools.clients.collections import Collections
from tools.clients.credentials import Credentials
from tools.clients.http import open_http
from tools.errors import UpstreamFailed
from tools.schema import (
    Document,
    Extraction,
    IngestReport,
    IngestRequest,
    JsonObject,
    SearchRequest,
    SearchResponse,
)
from tools.settings import Settings

PAGE = 1_000
FILTERED, COMPARED = 100, 5_000
"""How many ids, or prefixes, one listing may be asked for, and hashes a question for differences."""
FILTER_BYTES = 6_000
"""How long they may be in an address; nginx takes 8 KiB of it."""


class StoredDocument(TypedDict):
    """A finished document as the bridge lists it; `updated_at` is ISO 8601, `chunks` how many passages it
    has, `extractors` the names of those that have read it as it is now."""

    id: str
    title: str
    source: str
    language: str
    chunks: int
    metadata: JsonObject
    updated_at: NotRequired[str | None]
    content_hash: str
    extractors: list[str]
    source_uri: NotRequired[str]
    origin: NotRequired[str]
    former_ids: NotRequired[list[str]]
    created_at: NotRequired[str | None]


class Difference(TypedDict):
    """What the store holds of a file, or of a document: `status` is `new`, `changed` or `same`, `documents`
    are ids, `hash` is what all of it is stored under, if it is, `elsewhere` are files of the same content."""

    id: str
    status: str
    documents: list[str]
    hash: str
    elsewhere: list[str]


class StoredPassage(TypedDict):
    """One passage of a document; `position` counts from 0. The other fields are those of
    `tools.schema.Whereabouts`, `span` in the document's text."""

    id: str
    position: int
    heading: str
    text: str
    headings: NotRequired[list[str] | None]
    span: NotRequired[list[int] | None]
    page: NotRequired[int | None]
    slide: NotRequired[int | None]
    sheet: NotRequired[str | None]
    rows: NotRequired[list[int] | None]


class WholeDocument(StoredDocument):
    """A document with its passages in order; `text` is None for one that was written before it was kept."""

    text: NotRequired[str | None]
    passages: list[StoredPassage]


class Job(TypedDict):
    """Progress of an ingestion or a reembedding; `failed` has `{id, reason}` of each document."""

    id: str
    collection: str
    state: str
    total: int
    done: int
    accepted: int
    unchanged: int
    failed: list[dict[str, str]]
    reason: str
    created_at: str | None
    updated_at: str | None


class Column(TypedDict):
    """A column of a table; `type` is PostgreSQL's."""

    name: str
    type: str


class Table(TypedDict):
    """A table or view that SQL may read."""

    name: str
    kind: str
    columns: list[Column]


class QueryResult(TypedDict):
    """Rows of a query, each with one value a column."""

    columns: list[Any]
    rows: list[Any]
    truncated: NotRequired[bool]


class Bridge(Accounts, Collections):
    """Typed verbs over the bridge's HTTP API. Raises `tools.errors`."""

    async def search(self, request: SearchRequest) -> SearchResponse:
        """Hybrid search: passages, best first. Raises CollectionNotFound, StoreUnavailable."""
        response = await self.http.send(
            "POST", "/api/v1/rag/hybrid-search", json=request.model_dump(exclude_none=True)
        )
        try:
            return SearchResponse.model_validate_json(response.content)
        except ValidationError as exc:
            raise UpstreamFailed("bridge found something that is no passage", source="bridge") from exc

    async def ingest(
        self, documents: Sequence[Document], *, collection: str, wait: bool = True, wait_s: float = 240.0
    ) -> IngestReport:
        """Write documents; what takes longer than `wait_s` seconds, and all of it without `wait`, a job does,
        whose id is in the report."""
        request = IngestRequest(documents=list(documents), collection=collection, wait=wait, wait_s=wait_s)
        sent = request.model_dump(exclude_none=True)
        body = await self.http.json("POST", "/api/v1/documents", json=sent, timeout=wait_s + 60.0)
        return IngestReport.model_validate(body)

    async def differences(
        self, hashes: Mapping[str, str], *, collection: str, reader: str = ""
    ) -> dict[str, Difference]:
        """What is new, changed or the same of files, by their identity: the hash of each, as `reader` reads
        it; or of documents by their id, whose `content_hash` it is."""
        known = [{"id": key, "hash": digest} for key, digest in hashes.items()]
        found: dict[str, Difference] = {}
        for start in range(0, len(known), COMPARED):
            part = known[start : start + COMPARED]
            request = {"documents": part, "collection": collection, "reader": reader}
            body = await self.http.json("POST", "/api/v1/documents/differences", json=request, timeout=120.0)
            found |= {item["id"]: item for item in body["documents"]}
        return found

    async def documents(
        self,
        *,
        collection: str,
        ids: Sequence[str] = (),
        prefixes: Sequence[str] = (),
        sources: Sequence[str] = (),
    ) -> list[StoredDocument]:
        """What the collection holds: all, or the documents of `ids`, those whose id or `origin` begins with
        one of `prefixes`, and those that `sources` brought; in order of id within each request."""
        if not ids and not prefixes and not sources:
            return await self._pages(collection, {})
        filters = {"id": ids, "prefix": prefixes, "source": sources}
        asked = [{name: part} for name, given in filters.items() for part in _parts(given)]
        return [row for only in asked for row in await self._pages(collection, only)]

    async def first_documents(self, *, collection: str, limit: int) -> list[StoredDocument]:
        """So many of the collection's documents, in order of id."""
        page = {"collection": collection, "limit": limit, "offset": 0}
        return (await self.http.json("GET", "/api/v1/documents", params=page))["documents"]

    async def document(self, document_id: str, *, collection: str) -> WholeDocument:
        """One document with its passages. Raises DocumentNotFound."""
        path = f"/api/v1/documents/{quote(document_id)}"
        return await self.http.json("GET", path, params={"collection": collection})

    async def delete(self, document_id: str, *, collection: str) -> None:
        """Remove a document from every store. Raises DocumentNotFound."""
        path = f"/api/v1/documents/{quote(document_id)}"
        await self.http.json("DELETE", path, params={"collection": collection})

    async def put_graph(self, document_id: str, extraction: Extraction, *, collection: str) -> JsonObject:
        """Replace what this extractor found in a document: `{entities, relations, changed, …}` counted.

        Raises DocumentChanged when its text is another by now, DocumentNotFound, ChunkNotFound."""
        path = f"/api/v1/documents/{quote(document_id)}/graph"
        body = extraction.model_dump(exclude_none=True)
        return await self.http.json("PUT", path, params={"collection": collection}, json=body, timeout=120.0)

    async def job(self, job_id: str) -> Job:
        """A job as it is now. Raises NotFound."""
        return await self.http.json("GET", f"/api/v1/ingest/jobs/{quote(job_id, safe='')}")

    async def jobs(self) -> list[Job]:
        """The caller's last hundred jobs, newest first."""
        return (await self.http.json("GET", "/api/v1/ingest/jobs"))["jobs"]

    async def cancel_job(self, job_id: str) -> Job:
        """Stop a job; what it has written stays."""
        return await self.http.json("DELETE", f"/api/v1/ingest/jobs/{quote(job_id, safe='')}", timeout=60.0)

    async def embed(
        self, texts: Sequence[str], *, purpose: Literal["query", "passage"] = "passage"
    ) -> list[list[float]]:
        """Unit-length vectors, one a text; those that are compared with each other are read as a `query`."""
        request = {"texts": list(texts), "input_type": purpose}
        body = await self.http.json("POST", "/api/v1/embeddings", json=request)
        return body["vectors"]

    async def query_sql(self, query: str, params: Sequence[Any] = ()) -> QueryResult:
        """One SELECT or EXPLAIN, `params` bound to `$1`, `$2`, … Raises BadRequest for others."""
        return await self.http.json(
            "POST", "/api/v1/postgres/query", json={"query": query, "params": list(params)}
        )

    async def tables(self) -> list[Table]:
        """Tables that SQL may read."""
        return (await self.http.json("GET", "/api/v1/postgres/tables"))["tables"]

    async def query_graph(self, space: str, query: str, params: JsonObject | None = None) -> QueryResult:
        """One nGQL statement in a space; this platform's own key reads only."""
        request = {"space": space, "query": query, "params": params or {}}
        return await self.http.json("POST", "/api/v1/nebula/query", json=request)

    async def health(self) -> JsonObject:
        """What `/health/detailed` says of the bridge and of each store."""
        return await self.http.json("GET", "/health/detailed")

    async def _pages(self, collection: str, only: dict[str, list[str]]) -> list[StoredDocument]:
        found: list[StoredDocument] = []
        while True:
            page = {"collection": collection, "limit": PAGE, "offset": len(found), **only}
            body = await self.http.json("GET", "/api/v1/documents", params=page)
            found += body["documents"]
            if len(body["documents"]) < PAGE:
                return found


def _parts(names: Sequence[str]) -> list[list[str]]:
    """As few lists as requests need: at most `FILTERED` names and about `FILTER_BYTES` in each. Pure."""
    parts: list[list[str]] = []
    size = FILTER_BYTES
    for name in names:
        size += len(quote(name, safe="")) + 8
        if size > FILTER_BYTES or len(parts[-1]) == FILTERED:
            parts.append([])
            size = len(quote(name, safe="")) + 8
        parts[-1].append(name)
    return parts


@asynccontextmanager
async def open_bridge(settings: Settings) -> AsyncIterator[Bridge]:
    """The bridge's client, for whom the caller acts; connections live as long as the block."""
    async with open_http(settings.bridge_url, "bridge", auth=Credentials(settings)) as http:
        yield Bridge(http)
