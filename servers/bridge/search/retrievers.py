"""The three legs of a search, each with its deadline: dense, text, and the graph around what they found."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from servers.bridge.clients.milvus.client import SHOWN, Milvus
from servers.bridge.embedding.registry import EmbedderRegistry
from servers.bridge.graph.expansion import SEEDS, Expansion, Neighbourhood, expand
from servers.bridge.graph.knowledge_graph import Graph, space_name
from servers.bridge.manifest.repository import Repository
from servers.bridge.manifest.title_index import TitleIndex
from servers.bridge.manifest.upsert_plan import Place
from servers.bridge.search.fusion import Weights, fuse, share
from servers.bridge.text.cross_lingual import crossed
from servers.bridge.text.title_names import names_asked, vertex
from tools.errors import (
    Capibara6Error,
    CollectionNotFound,
    EmbedderMissing,
    StoreUnavailable,
    Unavailable,
    UpstreamFailed,
    UpstreamSilent,
)
from tools.log import get_logger
from tools.schema import Language
from tools.text.language import detect
from tools.text.words import stems

LEG_S = 1.2
AWAY = (Unavailable, UpstreamFailed, UpstreamSilent, CollectionNotFound)
"""What makes a leg absent; anything else is the caller's mistake or ours."""
log = get_logger("legs")
LEGS = ("dense", "text", "graph")


@dataclass(frozen=True)
class Question:
    """A query with what the legs need to know of it. `filter` has been checked."""

    text: str
    language: Language
    languages: tuple[Language, ...]
    filter: str
    limit: int
    legs: tuple[str, ...]

    @property
    def stems(self) -> list[str]:
        """What to look for: the words as each language of the collection would have indexed them."""
        found = [stem for held in self.languages for stem in crossed(self.text, self.language, held)]
        return list(dict.fromkeys(found))


@dataclass
class Found:
    """What the legs brought: raw scores by leg and passage, the passages' rows, and who failed."""

    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    degraded: list[str] = field(default_factory=list)
    expansion: Expansion = field(default_factory=Expansion)
    vector: np.ndarray | None = None

    def add(self, leg: str, hits: Sequence[dict[str, Any]]) -> None:
        self.scores[leg] = {hit["id"]: abs(float(hit["distance"])) for hit in hits}
        for hit in hits:
            self.rows.setdefault(hit["id"], dict(hit["entity"]))

    def fail(self, *names: str) -> None:
        self.degraded += [name for name in names if name not in self.degraded]


def question(
    query: str, *, languages: Sequence[str], filter: str, limit: int, legs: Sequence[str] | None
) -> Question:
    """Its language is detected; where nothing tells, it is the collection's own."""
    held: tuple[Language, ...] = tuple("es" if item == "es" else "en" for item in languages)
    asked = detect(query, default=held[0] if len(held) == 1 else "en")
    spoken = tuple(dict.fromkeys((asked, *held)))
    return Question(query, asked, spoken, filter, limit, tuple(legs or LEGS))


def base_scores(found: Found, asked: Question, known: tuple[str, ...], weights: Weights) -> dict[str, float]:
    """Dense and text as one score in [0, 1] for each passage; a missing leg leaves all to the other."""
    dense, text = found.scores.get("dense"), found.scores.get("text")
    shares: dict[str, float] = {}
    for key in {**(dense or {}), **(text or {})}:
        held = str(found.rows[key].get("language", "en"))
        both = share(asked.language, held, known, weights)
        shares[key] = 0.0 if dense is None else 1.0 if text is None else both
    return fuse(dense or {}, text or {}, shares, weights)


class Retrievers:
    """Runs legs over the stores. Raises StoreUnavailable when none is alive."""

    def __init__(
        self,
        library: Repository,
        titles: TitleIndex,
        milvus: Milvus,
        graph: Graph,
        embedders: EmbedderRegistry,
        weights: Weights,
    ) -> None:
        self.library, self.titles = library, titles
        self.milvus, self.graph, self.embedders = milvus, graph, embedders
        self.weights = weights
        self.deadline_s = LEG_S

    @property
    def store_s(self) -> float:
        """What Milvus may take of a leg: the rest is for doing without it."""
        return self.deadline_s * 0.6

    def known(self, place: Place) -> tuple[str, ...]:
        """The languages that the collection's embedder knows; none when it is not here."""
        try:
            return self.embedders.get(place.embedder).languages
        except EmbedderMissing:
            return ()

    async def vector(self, place: Place, text: str) -> np.ndarray:
        """The question as the collection's embedder sees it. Raises what embedders raise."""
        embedder = self.embedders.get(place.embedder)
        await embedder.load()
        return (await embedder.embed([text]))[0]

    async def run(self, place: Place, asked: Question, vector: np.ndarray | None = None) -> Found:
        """What each leg found; a vector that is given need not be made again."""
        found = Found(vector=vector)
        if "dense" in asked.legs and vector is None:
            await self._ready(place)
        work: dict[str, Awaitable[Any]] = {}
        if "dense" in asked.legs:
            work["dense"] = self._dense(place, asked, found)
        if "text" in asked.legs:
            work["text"] = self._text(place, asked, found)
        if "graph" in asked.legs:
            work["graph"] = self._named(place, asked)
        answers = await asyncio.gather(*(self._within(item) for item in work.values()))
        brought = dict(zip(work, answers, strict=True))
        named = brought.pop("graph", None)
        for leg, answer in brought.items():
            if isinstance(answer, Capibara6Error):
                found.fail(leg, answer.source or leg)
            else:
                found.add(leg, answer)
        if isinstance(named, Capibara6Error):
            found.fail("graph", named.source or "graph")
        elif named is not None:
            await self._expand(place, asked, found, named)
        failures = [answer for answer in answers if isinstance(answer, Capibara6Error)]
        if failures and not found.rows and len(failures) >= len(brought):
            raise failures[0]
        return found

    async def _ready(self, place: Place) -> None:
        """Loading may take a second once: no leg's deadline pays for it, nor for its failure here."""
        try:
            await self.embedders.get(place.embedder).load()
        except AWAY as exc:
            log.warning("embedder_away", reason=exc.message)

    async def _dense(self, place: Place, asked: Question, found: Found) -> list[dict[str, Any]]:
        if found.vector is None:
            found.vector = await self.vector(place, asked.text)
        vector = found.vector.tolist()
        return await self.milvus.dense(
            place.physical, vector, limit=asked.limit, filter=asked.filter, deadline_s=self.store_s
        )

    async def _text(self, place: Place, asked: Question, found: Found) -> list[dict[str, Any]]:
        """BM25 in Milvus; without Milvus, the same stems in PostgreSQL (which knows no filter)."""
        words = asked.stems
        try:
            return await self.milvus.text(
                place.physical,
                " ".join(words),
                limit=asked.limit,
                filter=asked.filter,
                deadline_s=self.store_s,
            )
        except StoreUnavailable:
            if asked.filter:
                raise
        found.fail("milvus")
        rows = await self.library.search_words(place, words, limit=asked.limit)
        return [{"id": row["id"], "distance": row["distance"], "entity": row} for row in rows]

    async def _named(self, place: Place, asked: Question) -> tuple[Neighbourhood, dict[str, float]]:
        """The passages whose title the question names, and how much of the question each name is."""
        known = await self.titles.telling(place, names_asked(asked.text, list(asked.languages)))
        words = max(1, len(stems(asked.text, asked.language)))
        named = {vertex(name): min(1.0, len(name.split()) / words) for name in known}
        space = space_name(place.tenant, place.collection)
        return await self.graph.titled(space, sorted(named), deadline_s=self.deadline_s), named

    async def _expand(
        self, place: Place, asked: Question, found: Found, named: tuple[Neighbourhood, dict[str, float]]
    ) -> None:
        """The graph leg: what is linked to the seeds, and the rows of passages that only it found."""
        seeds = base_scores(found, asked, self.known(place), self.weights)
        best = sorted(seeds, key=lambda key: (-seeds[key], key))[:SEEDS]
        starts = list(dict.fromkeys([*best, *sorted(key for key, _ in named[0].about)[:SEEDS]]))
        space = space_name(place.tenant, place.collection)
        telling = partial(self.titles.telling, place)
        work = self.graph.around(space, starts, sorted(named[1]), telling, deadline_s=self.deadline_s)
        around = await self._within(work)
        if isinstance(around, Capibara6Error):
            found.fail("graph", around.source or "graph")
            return
        found.expansion = expand(seeds, around, named[1])
        missing = [key for key in found.expansion.best if key not in found.rows]
        if missing and not asked.filter:
            rows = await self._within(self.milvus.get(place.physical, missing, fields=SHOWN))
            if isinstance(rows, Capibara6Error):
                found.fail(rows.source or "milvus")
                return
            found.rows |= rows
        found.scores["graph"] = {
            key: value for key, value in found.expansion.scores.items() if key in found.rows
        }

    async def _within(self, work: Awaitable[Any]) -> Any:
        """The answer, or the error that makes this leg absent from it."""
        try:
            async with asyncio.timeout(self.deadline_s):
                return await work
        except TimeoutError:
            return StoreUnavailable("the leg did not answer in time", retry_after=1)
        except AWAY as exc:
            return exc
