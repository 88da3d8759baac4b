"""Hybrid search, from request to answer: asks the caches, runs the retrievers, ranks what they found, keeps
the answer.

A retriever or store that does not answer is named in `degraded` and the rest answers.
"""

import asyncio
import time
from typing import Literal

from servers.bridge.clients.milvus.filters import compiled
from servers.bridge.manifest.repository import Repository, location_of
from servers.bridge.manifest.tables import CollectionRow
from servers.bridge.manifest.upsert_plan import Location
from servers.bridge.search.answer_cache import AnswerCache
from servers.bridge.search.candidates import Candidates, Vector
from servers.bridge.search.orphans import OrphanFilter
from servers.bridge.search.query import analyse_query
from servers.bridge.search.ranking import rank
from servers.bridge.search.rerank import Reranker
from servers.bridge.search.retrievers import ABSENT, Retrievers
from servers.bridge.search.semantic_cache import SemanticCache
from tools.errors import BadRequest, Capibara6Error, CollectionNotFound, StoreUnavailable
from tools.log import get_logger
from tools.schema import Hit, SearchRequest, SearchResponse

CANDIDATES = 60
"""Passages that each retriever brings at least. 120: XQuAD es→en and en→es +.004, Cranfield -.005 nDCG@10."""
SPARE = 5
"""So many more than asked for are ranked, to stand in for orphans."""
log = get_logger("search")


class HybridSearch:
    """Raises StoreUnavailable when no retriever answers, CollectionNotFound, BadRequest for a filter that is
    none or a reranker that is not configured."""

    def __init__(
        self,
        repository: Repository,
        retrievers: Retrievers,
        cache: AnswerCache,
        semantic_cache: SemanticCache,
        reranker: Reranker | None,
        orphans: OrphanFilter,
        *,
        default_collection: str,
    ) -> None:
        self.repository, self.retrievers = repository, retrievers
        self.cache, self.semantic_cache = cache, semantic_cache
        self.reranker, self.orphans = reranker, orphans
        self.default_collection = default_collection
        self.last_seen: dict[tuple[str, str], CollectionRow] = {}

    async def run(self, tenant: str, request: SearchRequest) -> SearchResponse:
        """The answer to a tenant's request, from a cache when the collection has not changed since."""
        started = time.monotonic()
        if request.rerank and self.reranker is None:
            raise BadRequest(
                "no reranking model is configured", param="rerank", code="reranker_not_configured"
            )
        expression = compiled(request.filter)
        location = self.repository.location(tenant, request.collection)
        key = self.cache.key(tenant, request, self._models(request))
        row, cached = await asyncio.gather(self._collection(location), self.cache.get(key))
        if row is None:
            return self._nothing(request, started)
        if isinstance(row, StoreUnavailable):
            last = self.last_seen.get((tenant, request.collection))
            response = await self._uncached(
                location_of(last) if last else location, request, expression, last
            )
            return _timed(response, started)
        if cached is not None and cached.collection_version == row.version:
            return _from_cache(cached, "exact", started)
        location = location_of(row)
        models = f"{location.embedder} {self._models(request)}"
        bucket = self.semantic_cache.bucket(tenant, request, models, row.version)
        vector, cached = await self._cached_alike(location, bucket, request)
        if cached is not None and cached.collection_version == row.version:
            return _from_cache(cached, "semantic", started)
        response, vector = await self._search(location, request, expression, row, vector)
        response = _timed(response, started)
        if not response.degraded:
            await self.cache.put(key, response)
            if vector is not None:
                await self.semantic_cache.remember(bucket, request.query, vector)
        return response

    async def _collection(self, location: Location) -> CollectionRow | StoreUnavailable | None:
        """The collection's row, None when there is none, the error when PostgreSQL is down."""
        try:
            row = await self.repository.collection(location.tenant, location.collection)
        except StoreUnavailable as exc:
            return exc
        if row is not None:
            self.last_seen[location.tenant, location.collection] = row
        return row

    def _nothing(self, request: SearchRequest, started: float) -> SearchResponse:
        """A new installation has no documents yet: that is no error, a misspelt name is."""
        if request.collection != self.default_collection:
            raise CollectionNotFound(
                f"there is no collection {request.collection}", param="collection", source="bridge"
            )
        return _timed(SearchResponse(results=[]), started)

    async def _uncached(
        self, location: Location, request: SearchRequest, expression: str, last: CollectionRow | None
    ) -> SearchResponse:
        """Without PostgreSQL nobody knows the version: nothing is cached, nothing cached is given."""
        response, _ = await self._search(location, request, expression, last, None)
        degraded = list(dict.fromkeys([*response.degraded, "postgres"]))
        return response.model_copy(update={"degraded": degraded})

    async def _search(
        self,
        location: Location,
        request: SearchRequest,
        expression: str,
        row: CollectionRow | None,
        vector: Vector | None,
    ) -> tuple[SearchResponse, Vector | None]:
        """The answer of the retrievers, reranked when that is asked for, and the query's vector."""
        query = analyse_query(
            request.query,
            languages=(row.languages if row else None) or ["en", "es"],
            filter=expression,
            limit=max(CANDIDATES, request.top_k * 2),
            retrievers=request.legs,
        )
        candidates = await self.retrievers.run(location, query, vector)
        limit = request.top_k + SPARE
        if request.rerank and self.reranker is not None:
            limit = max(limit, self.reranker.passages)
        languages, weights = self.retrievers.languages(location), self.retrievers.weights(location, query)
        best = rank(candidates, query, languages, weights, limit=limit, explain=request.explain)
        if row is not None:
            best = await self._without_orphans(location, best, candidates)
        if request.rerank:
            best = await self._reranked(request.query, best, candidates)
        response = SearchResponse(
            results=best[: request.top_k],
            embedder=row.embedder if row else "",
            degraded=candidates.degraded,
            collection_version=row.version if row else 0,
        )
        return response, candidates.vector

    async def _without_orphans(
        self, location: Location, best: list[Hit], candidates: Candidates
    ) -> list[Hit]:
        """All hits, and `degraded`, when PostgreSQL does not answer."""
        try:
            return await self.orphans.without_orphans(location, best)
        except StoreUnavailable as exc:
            candidates.degrade(exc.source or "postgres")
            return best

    async def _reranked(self, query: str, best: list[Hit], candidates: Candidates) -> list[Hit]:
        """In the model's order; as they were, and `degraded`, when it fails or is late."""
        assert self.reranker is not None
        try:
            return await self.reranker.rerank(query, best)
        except Capibara6Error as exc:
            log.warning("rerank_failed", reason=exc.message)
            candidates.degrade("rerank")
            return best

    async def _cached_alike(
        self, location: Location, bucket: str, request: SearchRequest
    ) -> tuple[Vector | None, SearchResponse | None]:
        """The query's vector where one was needed, and the cached answer of the same question."""
        questions = await self.semantic_cache.latest(bucket)
        if not questions:
            return None, None
        try:
            async with asyncio.timeout(self.retrievers.deadline_s):
                vector = await self.retrievers.embed(location, request.query)
        except (TimeoutError, *ABSENT):
            return None, None
        languages = self.retrievers.languages(location)
        same = await asyncio.to_thread(
            self.semantic_cache.match, request.query, vector, questions, location.embedder, languages
        )
        if same is None:
            return vector, None
        alike = request.model_copy(update={"query": same})
        return vector, await self.cache.get(self.cache.key(location.tenant, alike, self._models(request)))

    def _models(self, request: SearchRequest) -> str:
        """The models that an answer depends on, beyond those that the collection's version stands for."""
        reranker = self.reranker.model if request.rerank and self.reranker is not None else ""
        return f"{self.retrievers.embedders.default.name} {reranker}".strip()


def _from_cache(cached: SearchResponse, how: Literal["exact", "semantic"], started: float) -> SearchResponse:
    return _timed(cached.model_copy(update={"cached": True, "cache": how}), started)


def _timed(response: SearchResponse, started: float) -> SearchResponse:
    """With the milliseconds since `started` (monotonic seconds)."""
    took_ms = round((time.monotonic() - started) * 1_000, 2)
    return response.model_copy(update={"took_ms": took_ms})
