"""Hybrid search: asks the cache, runs the legs, fuses them into one list, keeps the answer.

A leg that fails is named in `degraded` and the rest answers.
"""

import asyncio
import time
from typing import Literal

import numpy as np

from servers.bridge.clients.milvus.filters import compiled
from servers.bridge.ingest.reconcile import Reconciler
from servers.bridge.manifest.repository import Repository, place_of
from servers.bridge.manifest.tables import CollectionRow
from servers.bridge.manifest.upsert_plan import Location
from servers.bridge.search.answer_cache import Cache
from servers.bridge.search.ranking import hits
from servers.bridge.search.rerank import Reranker
from servers.bridge.search.retrievers import AWAY, Found, Retrievers, question
from servers.bridge.search.semantic_cache import SemanticCache
from tools.errors import BadRequest, Capibara6Error, CollectionNotFound, StoreUnavailable
from tools.log import get_logger
from tools.schema import Hit, SearchRequest, SearchResponse

CANDIDATES, SPARE = 60, 5
"""`SPARE` passages more than asked for stand in for those that turn out to be of no document."""
log = get_logger("search")


class Search:
    """Answers hybrid searches. Raises StoreUnavailable when no leg is alive, CollectionNotFound."""

    def __init__(
        self,
        library: Repository,
        legs: Retrievers,
        cache: Cache,
        near: SemanticCache,
        reranker: Reranker | None,
        reconcile: Reconciler,
        *,
        empty: str,
    ) -> None:
        self.library, self.legs, self.cache, self.near = library, legs, cache, near
        self.reranker, self.reconcile = reranker, reconcile
        self.empty = empty
        self.known: dict[tuple[str, str], CollectionRow] = {}

    async def run(self, tenant: str, request: SearchRequest) -> SearchResponse:
        started = time.monotonic()
        if request.rerank and self.reranker is None:
            raise BadRequest(
                "no reranking model is configured", param="rerank", code="reranker_not_configured"
            )
        expression = compiled(request.filter)
        place = self.library.place(tenant, request.collection)
        key = self.cache.key(tenant, request, self._models(request))
        row, held = await asyncio.gather(self._collection(place), self.cache.get(key))
        if row is None:
            return self._nothing(request, started)
        if isinstance(row, StoreUnavailable):
            last = self.known.get((tenant, request.collection))
            response = await self._fresh(place_of(last) if last else place, request, expression, last)
            return response.model_copy(update={"took_ms": _ms(started)})
        if held is not None and held.collection_version == row.version:
            return _again(held, "exact", started)
        place = place_of(row)
        kind = self.near.kind(tenant, request, f"{place.embedder} {self._models(request)}", row.version)
        vector, held = await self._similar(place, kind, request)
        if held is not None and held.collection_version == row.version:
            return _again(held, "semantic", started)
        response, vector = await self._found(place, request, expression, row, vector)
        response = response.model_copy(update={"took_ms": _ms(started)})
        if not response.degraded:
            await self.cache.put(key, response)
            if vector is not None:
                await self.near.remember(kind, request.query, vector)
        return response

    async def _collection(self, place: Location) -> CollectionRow | StoreUnavailable | None:
        """The collection's row, None when there is none, the error when PostgreSQL is down."""
        try:
            row = await self.library.collection(place.tenant, place.collection)
        except StoreUnavailable as exc:
            return exc
        if row is not None:
            self.known[place.tenant, place.collection] = row
        return row

    def _nothing(self, request: SearchRequest, started: float) -> SearchResponse:
        """A new installation has no documents yet: that is no error, a misspelt name is."""
        if request.collection != self.empty:
            raise CollectionNotFound(
                f"there is no collection {request.collection}", param="collection", source="bridge"
            )
        return SearchResponse(results=[], took_ms=_ms(started))

    async def _fresh(
        self, place: Location, request: SearchRequest, expression: str, last: CollectionRow | None
    ) -> SearchResponse:
        """Without PostgreSQL nobody knows the version: nothing is kept, nothing kept is given."""
        response, _ = await self._found(place, request, expression, last, None)
        degraded = list(dict.fromkeys([*response.degraded, "postgres"]))
        return response.model_copy(update={"degraded": degraded})

    async def _found(
        self,
        place: Location,
        request: SearchRequest,
        expression: str,
        row: CollectionRow | None,
        vector: np.ndarray | None,
    ) -> tuple[SearchResponse, np.ndarray | None]:
        """The answer of the legs, reranked when that is asked for, and the question's vector."""
        asked = question(
            request.query,
            languages=(row.languages if row else None) or ["en", "es"],
            filter=expression,
            limit=max(CANDIDATES, request.top_k * 2),
            legs=request.legs,
        )
        found = await self.legs.run(place, asked, vector)
        most = request.top_k + SPARE
        if request.rerank and self.reranker is not None:
            most = max(most, self.reranker.passages)
        best = hits(
            found, asked, self.legs.known(place), self.legs.weights, most=most, explain=request.explain
        )
        if row is not None:
            best = await self._known(place, best, found)
        if request.rerank:
            best = await self._reranked(request.query, best, found)
        response = SearchResponse(
            results=best[: request.top_k],
            degraded=found.degraded,
            collection_version=row.version if row else 0,
        )
        return response, found.vector

    async def _known(self, place: Location, best: list[Hit], found: Found) -> list[Hit]:
        """Without what no document has: a delete that Milvus lost must not come back in an answer."""
        try:
            return await self.reconcile.known(place, best)
        except StoreUnavailable as exc:
            found.fail(exc.source or "postgres")
            return best

    async def _reranked(self, query: str, best: list[Hit], found: Found) -> list[Hit]:
        """In the model's order; as they were, and told so, when it fails or is late."""
        assert self.reranker is not None
        try:
            return await self.reranker.order(query, best)
        except Capibara6Error as exc:
            log.warning("rerank_failed", reason=exc.message)
            found.fail("rerank")
            return best

    async def _similar(
        self, place: Location, kind: str, request: SearchRequest
    ) -> tuple[np.ndarray | None, SearchResponse | None]:
        """The question's vector where one was needed, and the kept answer of the same question."""
        asked = await self.near.asked(kind)
        if not asked:
            return None, None
        try:
            async with asyncio.timeout(self.legs.deadline_s):
                vector = await self.legs.vector(place, request.query)
        except (TimeoutError, *AWAY):
            return None, None
        known = self.legs.known(place)
        same = await asyncio.to_thread(self.near.choose, request.query, vector, asked, known)
        if same is None:
            return vector, None
        twin = request.model_copy(update={"query": same})
        key = self.cache.key(place.tenant, twin, self._models(request))
        return vector, await self.cache.get(key)

    def _models(self, request: SearchRequest) -> str:
        """The models that an answer depends on, beyond those that the collection's version stands for."""
        reranker = self.reranker.model if request.rerank and self.reranker is not None else ""
        return f"{self.legs.embedders.default.name} {reranker}".strip()


def _again(held: SearchResponse, how: Literal["exact", "semantic"], started: float) -> SearchResponse:
    return held.model_copy(update={"cached": True, "cache": how, "took_ms": _ms(started)})


def _ms(started: float) -> float:
    return round((time.monotonic() - started) * 1_000, 2)
