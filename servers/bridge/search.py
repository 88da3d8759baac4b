"""Hybrid search: asks the cache, runs the legs, fuses them into one list, keeps the answer.

A leg that fails is named in `degraded` and the rest answers.
"""

import asyncio
import time
from collections.abc import Mapping

from servers.bridge.cache import Cache
from servers.bridge.filters import compiled
from servers.bridge.fuse import Weights, blend, confidence
from servers.bridge.legs import Found, Legs, Question, base_scores, question
from servers.bridge.library import Library
from servers.bridge.manifest import CollectionRow
from servers.bridge.plan import Place
from servers.bridge.text import stems
from tools.errors import CollectionNotFound, NotSupported, StoreUnavailable
from tools.schema import Hit, SearchRequest, SearchResponse

CANDIDATES = 60
SHOWN_FIELDS = ("heading", "language")


class Search:
    """Answers hybrid searches. Raises StoreUnavailable when no leg is alive, CollectionNotFound."""

    def __init__(self, library: Library, legs: Legs, cache: Cache, *, empty: str) -> None:
        self.library, self.legs, self.cache = library, legs, cache
        self.empty = empty
        self.known: dict[tuple[str, str], list[str]] = {}

    async def run(self, tenant: str, request: SearchRequest) -> SearchResponse:
        started = time.monotonic()
        if request.rerank:
            raise NotSupported("no reranking model is configured", param="rerank", source="bridge")
        expression = compiled(request.filter)
        place = self.library.place(tenant, request.collection)
        key = self.cache.key(tenant, request, self.legs.embedder.name)
        row, held = await asyncio.gather(self._collection(place), self.cache.get(key))
        version = row.version if isinstance(row, CollectionRow) else 0
        if held is not None and isinstance(row, CollectionRow) and held.collection_version == version:
            return held.model_copy(update={"cached": True, "took_ms": _ms(started)})
        if row is None:
            return self._nothing(request, started)
        asked = question(
            request.query,
            languages=self.known.get((tenant, request.collection), ["en", "es"]),
            filter=expression,
            limit=max(CANDIDATES, request.top_k * 2),
            legs=request.legs,
        )
        found = await self.legs.run(place, asked)
        if isinstance(row, StoreUnavailable):
            found.fail("postgres")
        response = SearchResponse(
            results=self._hits(found, asked, request),
            degraded=found.degraded,
            took_ms=_ms(started),
            collection_version=version,
        )
        if not found.degraded:
            await self.cache.put(key, response)
        return response

    async def _collection(self, place: Place) -> CollectionRow | StoreUnavailable | None:
        """The collection's row, None when there is none, the error when PostgreSQL is down."""
        try:
            row = await self.library.collection(place.tenant, place.collection)
        except StoreUnavailable as exc:
            return exc
        if row is not None:
            self.known[place.tenant, place.collection] = list(row.languages)
        return row

    def _nothing(self, request: SearchRequest, started: float) -> SearchResponse:
        """A new installation has no documents yet: that is no error, a misspelt name is."""
        if request.collection != self.empty:
            raise CollectionNotFound(
                f"there is no collection {request.collection}", param="collection", source="bridge"
            )
        return SearchResponse(results=[], took_ms=_ms(started))

    def _hits(self, found: Found, asked: Question, request: SearchRequest) -> list[Hit]:
        """The best passages of all legs, best first, ties by id."""
        weights = self.legs.weights
        base = base_scores(found, asked, self.legs.embedder.languages, weights)
        scores = blend(base, found.scores.get("graph", {}), weights)
        best = sorted((key for key in scores if key in found.rows), key=lambda key: (-scores[key], key))
        sure = self._confidence(found, asked, best, weights)
        ranks = {leg: _ranks(values) for leg, values in found.scores.items()}
        return [
            _hit(key, found, min(1.0, scores[key] * sure), ranks, explain=request.explain)
            for key in best[: request.top_k]
        ]

    def _confidence(self, found: Found, asked: Question, best: list[str], weights: Weights) -> float:
        """How well the best passages answer at all: what makes a score mean the same for every question."""
        cosine = max(found.scores.get("dense", {}).values(), default=None)
        wanted = set(asked.stems)
        size = max(1, len(set(stems(asked.text, asked.language))))
        covered = 0.0
        for key in best[:3]:
            row = found.rows[key]
            held = set(stems(f"{row['title']} {row['text']}", "es" if row["language"] == "es" else "en"))
            covered = max(covered, min(1.0, len(wanted & held) / size))
        return confidence(cosine, covered, weights)


def _hit(
    key: str, found: Found, score: float, ranks: Mapping[str, Mapping[str, int]], *, explain: bool
) -> Hit:
    row = found.rows[key]
    legs: dict[str, dict] = {
        leg: {"rank": ranks[leg][key], "score": round(found.scores[leg][key], 6)}
        for leg in ranks
        if key in ranks[leg]
    }
    source, label = found.expansion.paths.get(key, ("", ""))
    if explain and "graph" in legs and source in found.rows:
        legs["graph"]["path"] = [found.rows[source]["title"], label, row["title"]]
        legs["graph"]["words"] = f"«{found.rows[source]['title']}» — {label} → «{row['title']}»"
    extra = {name: row[name] for name in SHOWN_FIELDS if row.get(name)}
    return Hit(
        id=key,
        document_id=row["document_id"],
        title=row["title"],
        source=row["source"],
        text=row["text"],
        score=score,
        legs=legs,
        metadata={**extra, **(row.get("metadata") or {})},
    )


def _ranks(scores: Mapping[str, float]) -> dict[str, int]:
    return {key: rank for rank, key in enumerate(sorted(scores, key=lambda key: (-scores[key], key)), 1)}


def _ms(started: float) -> float:
    return round((time.monotonic() - started) * 1_000, 2)
