"""Client of the bridge: documents, search, collections, jobs, embeddings, SQL and graph queries, keys."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NotRequired
from urllib.parse import quote

from typing_extensions import TypedDict

from tools.clients.http import Http, open_http
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
FILTERED = 100
"""How many ids, or prefixes, one listing may be asked for."""
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


class StoredPassage(TypedDict):
    """One passage of a document; `position` counts from 0."""

    id: str
    position: int
    heading: str
    text: str


class WholeDocument(StoredDocument):
    """A document with its passages in order."""

    passages: list[StoredPassage]


class Collection(TypedDict):
    """`version` grows with every write; `chunks` are passages."""

    name: str
    embedder: str
    dimensions: int
    languages: list[str]
    version: int
    documents: int
    chunks: int


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


class ApiKey(TypedDict):
    """A key of a tenant; a limit that is None is the settings'. `key` itself comes once, when it is made."""

    id: str
    tenant: str
    name: str
    scopes: list[str]
    requests_per_minute: int | None
    concurrency: int | None
    body_bytes: int | None
    created_at: str | None
    expires_at: str | None
    key: NotRequired[str]


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


class Bridge:
    """Typed verbs over the bridge's HTTP API. Raises `tools.errors`."""

    def __init__(self, http: Http) -> None:
        self.http = http

    async def search(self, request: SearchRequest) -> SearchResponse:
        """Hybrid search: passages, best first. Raises CollectionNotFound, StoreUnavailable."""
        body = await self.http.json(
            "POST", "/api/v1/rag/hybrid-search", json=request.model_dump(exclude_none=True)
        )
        return SearchResponse.model_validate(body)

    async def ingest(
        self, documents: Sequence[Document], *, collection: str, wait: bool = True
    ) -> IngestReport:
        """Write documents; without `wait` a job does it, whose id is in the report. Seconds: at most 300."""
        request = IngestRequest(documents=list(documents), collection=collection, wait=wait)
        body = await self.http.json("POST", "/api/v1/documents", json=request.model_dump(), timeout=300.0)
        return IngestReport.model_validate(body)

    async def documents(
        self, *, collection: str, ids: Sequence[str] = (), prefixes: Sequence[str] = ()
    ) -> list[StoredDocument]:
        """What the collection holds: all, or the documents of `ids`, or those whose id or `metadata.origin`
        begins with one of `prefixes`; in order of id, within each request that the filter needs."""
        if not ids and not prefixes:
            return await self._pages(collection, {})
        asked = [{"id": part} for part in _parts(ids)] + [{"prefix": part} for part in _parts(prefixes)]
        return [row for only in asked for row in await self._pages(collection, only)]

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

    async def collections(self) -> list[Collection]:
        """The tenant's collections."""
        return (await self.http.json("GET", "/api/v1/collections"))["collections"]

    async def create_collection(
        self, name: str, *, embedder: str | None = None, languages: Sequence[str] = ()
    ) -> Collection:
        """Make it, unless it is there. Raises Conflict when it has another embedder."""
        body = {"name": name, "embedder": embedder, "languages": list(languages)}
        return await self.http.json("POST", "/api/v1/collections", json=body)

    async def reembed(self, name: str, *, embedder: str | None = None) -> str:
        """Begin to embed a collection again; the job's id."""
        path = f"/api/v1/collections/{quote(name, safe='')}/reembed"
        return (await self.http.json("POST", path, json={"embedder": embedder}))["job_id"]

    async def job(self, job_id: str) -> Job:
        """A job as it is now. Raises NotFound."""
        return await self.http.json("GET", f"/api/v1/ingest/jobs/{quote(job_id, safe='')}")

    async def cancel_job(self, job_id: str) -> Job:
        """Stop a job; what it has written stays."""
        return await self.http.json("DELETE", f"/api/v1/ingest/jobs/{quote(job_id, safe='')}", timeout=60.0)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Unit-length vectors, one a text."""
        body = await self.http.json("POST", "/api/v1/embeddings", json={"texts": list(texts)})
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

    async def create_key(self, **wanted: Any) -> ApiKey:
        """A new key; `key` is shown this once.

        Args: `tenant`, `scopes`, and perhaps `name`, `requests_per_minute`, `concurrency`, `body_bytes`."""
        return await self.http.json("POST", "/api/v1/keys", json=wanted)

    async def keys(self, *, tenant: str | None = None) -> list[ApiKey]:
        """Keys of a tenant, or all that the caller may see."""
        params = {"tenant": tenant} if tenant else None
        return (await self.http.json("GET", "/api/v1/keys", params=params))["keys"]

    async def revoke_key(self, key_id: str) -> None:
        """End a key; the bridge's replicas forget it within `access.cache_s`. Raises NotFound."""
        await self.http.json("DELETE", f"/api/v1/keys/{quote(key_id, safe='')}")

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
    """The bridge's client with the platform's key; connections live as long as the block."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    async with open_http(settings.bridge_url, "bridge", api_key=key) as http:
        yield Bridge(http)
