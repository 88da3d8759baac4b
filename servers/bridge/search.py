"""Hybrid search: dense and text legs at once, the graph rescoring what they found, one fused list.

Each leg has a deadline; a leg that fails is named in `degraded` and the rest answers.
"""

import asyncio
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any

from servers.bridge.cache import Cache
from servers.bridge.embed import Embedder
from servers.bridge.entities import vertex
from servers.bridge.expand import Expansion, expand, mentioned
from servers.bridge.filters import compiled
from servers.bridge.fuse import fuse, share
from servers.bridge.graph import Graph, space_name
from servers.bridge.library import Library
from servers.bridge.manifest import CollectionRow
from servers.bridge.milvus import SHOWN, Milvus
from servers.bridge.plan import Place
from servers.bridge.text import detect, stems
from tools.errors import Capibara6Error, CollectionNotFound, StoreUnavailable
from tools.schema import Hit, SearchRequest, SearchResponse

LEG_S = 1.2
SEEDS = 40
LEGS = ("dense", "text", "graph")


@dataclass
class Found:
    """What the legs brought: raw scores by leg and passage, the passages' rows, and who failed."""

    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    degraded: list[str] = field(default_factory=list)

    def add(self, leg: str, hits: list[dict[str, Any]]) -> None:
        self.scores[leg] = {hit["id"]: abs(float(hit["distance"])) for hit in hits}
        for hit in hits:
            self.rows.setdefault(hit["id"], dict(hit["entity"]))

    def fail(self, *names: str) -> None:
        self.degraded += [name for name in names if name not in self.degraded]


class Search:
    """Answers hybrid searches. Raises StoreUnavailable when no leg is alive."""

    def __init__(
        self, library: Library, milvus: Milvus, graph: Graph, embedder: Embedder, cache: Cache, *, empty: str
    ) -> None:
        self.library, self.milvus, self.graph = library, milvus, graph
        self.embedder, self.cache = embedder, cache
        self.empty = empty
        self.known: dict[tuple[str, str], CollectionRow] = {}

    async def run(self, tenant: str, request: SearchRequest) -> SearchResponse:
        started = time.monotonic()
        place = self.library.place(tenant, request.collection)
        key = self.cache.key(tenant, request, self.embedder.name)
        row, held = await asyncio.gather(self._collection(place), self.cache.get(key))
        version = row.version if isinstance(row, CollectionRow) else 0
        if held is not None and isinstance(row, CollectionRow) and held.collection_version == version:
            return held.model_copy(update={"cached": True, "took_ms": _ms(started)})
        if row is None:
            return self._nothing(request, started)
        found = await self._find(place, request, _languages(row))
        if isinstance(row, StoreUnavailable):
            found.fail("postgres")
        response = SearchResponse(
            results=found_hits(found, request, self.embedder.languages),
            degraded=found.degraded,
            took_ms=_ms(started),
            collection_version=version,
        )
        if not found.degraded:
            await self.cache.put(key, response)
        return response

    async def _collection(self, place: Place) -> CollectionRow | StoreUnavailable | None:
        """The collection's row; the last one seen, or the error, when PostgreSQL is down."""
        key = (place.tenant, place.collection)
        try:
            row = await self.library.collection(*key)
        except StoreUnavailable as exc:
            return exc
        if row is not None:
            self.known[key] = row
        return row

    def _nothing(self, request: SearchRequest, started: float) -> SearchResponse:
        """A new installation has no documents yet: that is no error, a misspelt name is."""
        if request.collection != self.empty:
            raise CollectionNotFound(
                f"there is no collection {request.collection}", param="collection", source="bridge"
            )
        return SearchResponse(results=[], took_ms=_ms(started))

    async def _find(self, place: Place, request: SearchRequest, languages: list[str]) -> Found:
        legs = request.legs or list(LEGS)
        limit = max(SEEDS, request.top_k * 4)
        expression = compiled(request.filter)
        found = Found()
        asked: dict[str, Awaitable[list[dict[str, Any]]]] = {}
        if "dense" in legs:
            asked["dense"] = self._dense(place, request.query, limit, expression)
        if "text" in legs:
            asked["text"] = self._text(place, request.query, languages, limit, expression, found)
        answers = await asyncio.gather(*(_leg(work) for work in asked.values()))
        failures = {
            name: item for name, item in zip(asked, answers, strict=True) if isinstance(item, Exception)
        }
        for name, answer in zip(asked, answers, strict=True):
            if not isinstance(answer, Exception):
                found.add(name, answer)
        for name, failure in failures.items():
            found.fail(name, failure.source or name)
        if "graph" in legs:
            await self._expand(place, request, found, expression)
        if len(failures) == len(asked) and not found.rows and asked:
            raise next(iter(failures.values()))
        return found

    async def _dense(self, place: Place, query: str, limit: int, expression: str) -> list[dict[str, Any]]:
        vector = (await self.embedder.embed([query]))[0]
        return await self.milvus.dense(place.physical, vector.tolist(), limit=limit, filter=expression)

    async def _text(
        self, place: Place, query: str, languages: list[str], limit: int, expression: str, found: Found
    ) -> list[dict[str, Any]]:
        words = question_words(query, languages)
        try:
            return await self.milvus.text(place.physical, " ".join(words), limit=limit, filter=expression)
        except StoreUnavailable:
            if expression:
                raise
        found.fail("milvus")
        rows = await self.library.search_words(place, words, limit=limit)
        return [{"id": row["id"], "distance": row["distance"], "entity": row} for row in rows]

    async def _expand(self, place: Place, request: SearchRequest, found: Found, expression: str) -> None:
        """The graph leg: what is linked to the seeds, and the rows of passages that only it found."""
        seeds = _base(found, request.query, self.embedder.languages)
        names = mentioned(request.query)
        try:
            async with asyncio.timeout(LEG_S):
                around = await self.graph.around(
                    space_name(place.tenant, place.collection),
                    sorted(seeds, key=seeds.__getitem__, reverse=True)[: SEEDS // 2],
                    [vertex(name) for name in names],
                    deadline_s=LEG_S,
                )
                expansion = expand(seeds, around, names)
                found.scores["graph"] = expansion.scores
                await self._rows(place, expansion, found, expression)
        except TimeoutError:
            found.fail("graph", "nebula")
        except Capibara6Error as exc:
            found.fail("graph", exc.source or "graph")

    async def _rows(self, place: Place, expansion: Expansion, found: Found, expression: str) -> None:
        missing = [key for key in expansion.best if key not in found.rows]
        if missing and not expression:
            found.rows |= await self.milvus.get(place.physical, missing, fields=SHOWN)


def question_words(query: str, languages: list[str]) -> list[str]:
    """The stems to look for: as each language of the collection would have indexed them."""
    asked = detect(query, default="es" if languages == ["es"] else "en")
    words: list[str] = []
    for language in languages or [asked]:
        words += stems(query, "es" if language == "es" else "en")
    return list(dict.fromkeys(words))


def found_hits(found: Found, request: SearchRequest, known: tuple[str, ...]) -> list[Hit]:
    """The best passages of all legs, best first, ties by id."""
    base = _base(found, request.query, known)
    scores = blended(base, found.scores.get("graph", {}))
    ranks = {leg: _ranks(values) for leg, values in found.scores.items()}
    best = sorted((key for key in scores if key in found.rows), key=lambda key: (-scores[key], key))
    return [
        _hit(key, found.rows[key], min(1.0, scores[key]), ranks, found.scores)
        for key in best[: request.top_k]
    ]


def blended(base: Mapping[str, float], graph: Mapping[str, float], *, most: float = 0.25) -> dict[str, float]:
    return (
        {key: (1 - most) * base.get(key, 0.0) + most * graph.get(key, 0.0) for key in {**base, **graph}}
        if graph
        else dict(base)
    )


def _base(found: Found, query: str, known: tuple[str, ...]) -> dict[str, float]:
    dense, text = found.scores.get("dense", {}), found.scores.get("text", {})
    asked = detect(query)
    languages = {key: str(found.rows[key].get("language", "en")) for key in {**dense, **text}}
    shares = {key: share(asked, languages[key], known) for key in languages}
    if "text" not in found.scores or "dense" not in found.scores:
        shares = dict.fromkeys(languages, 1.0 if "dense" in found.scores else 0.0)
    return fuse(dense, text, shares)


async def _leg(work: Awaitable[list[dict[str, Any]]]) -> list[dict[str, Any]] | Capibara6Error:
    try:
        async with asyncio.timeout(LEG_S):
            return await work
    except TimeoutError:
        return StoreUnavailable("the leg did not answer in time", retry_after=1)
    except (StoreUnavailable, CollectionNotFound) as exc:
        return exc


def _languages(row: CollectionRow | StoreUnavailable) -> list[str]:
    return list(row.languages) if isinstance(row, CollectionRow) else ["en", "es"]


def _hit(
    key: str,
    row: dict[str, Any],
    score: float,
    ranks: dict[str, dict[str, int]],
    scores: dict[str, dict[str, float]],
) -> Hit:
    legs = {leg: {"rank": ranks[leg][key], "score": scores[leg][key]} for leg in ranks if key in ranks[leg]}
    return Hit(
        id=key,
        document_id=row["document_id"],
        title=row["title"],
        source=row["source"],
        text=row["text"],
        score=score,
        legs=legs,
        metadata={**(row.get("metadata") or {}), "heading": row.get("heading", "")},
    )


def _ranks(scores: Mapping[str, float]) -> dict[str, int]:
    return {key: rank for rank, key in enumerate(sorted(scores, key=lambda key: (-scores[key], key)), 1)}


def _ms(started: float) -> float:
    return round((time.monotonic() - started) * 1_000, 2)
