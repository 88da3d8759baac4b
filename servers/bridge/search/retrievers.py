"""Runs the retrievers of a search side by side, each with its deadline: dense, text, and the graph around
both.

One that does not answer is named in `degraded`. How their scores become one is `fusion`'s business.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from servers.bridge.clients.milvus.client import OUTPUT_FIELDS, Milvus
from servers.bridge.embedding.registry import EmbedderRegistry
from servers.bridge.graph.asked import Asked, Text
from servers.bridge.graph.expansion import expand, sharing, surest
from servers.bridge.manifest.repository import Repository
from servers.bridge.manifest.upsert_plan import Location
from servers.bridge.search.candidates import Candidates, PassageRow, Vector, labelled, passage_row
from servers.bridge.search.fusion import FusionWeights, fuse, weights_of
from servers.bridge.search.graph_retriever import GraphRetriever, TitleMatches
from servers.bridge.search.query import Query
from tools.errors import (
    Capibara6Error,
    CollectionNotFound,
    EmbedderMissing,
    QueueFull,
    StoreUnavailable,
    Unavailable,
    UpstreamFailed,
    UpstreamSilent,
)
from tools.log import get_logger

DEADLINE_S = 1.2
"""Seconds of one retriever; a whole search takes some 30 ms (`tests/bench/retrieval`)."""
MAX_SHARING = 40
"""Passages that share a thing with the surest of which it is read what they say."""
MILVUS_SHARE = 0.6
"""Of a retriever's deadline: the rest is for finding words without Milvus."""
ABSENT = (Unavailable, UpstreamFailed, UpstreamSilent, CollectionNotFound, QueueFull)
"""What makes a retriever absent from an answer; any other error is the caller's mistake or ours."""
log = get_logger("legs")
Answer = TypeVar("Answer")
StoreHits = Sequence[Mapping[str, Any]]


class Retrievers:
    """Raises StoreUnavailable when no retriever answers."""

    def __init__(
        self,
        repository: Repository,
        milvus: Milvus,
        graph: GraphRetriever,
        embedders: EmbedderRegistry,
    ) -> None:
        self.repository, self.milvus, self.graph = repository, milvus, graph
        self.embedders = embedders
        self.deadline_s = DEADLINE_S

    def languages(self, location: Location) -> tuple[str, ...]:
        """The languages that the collection's embedder knows; none when it is not here."""
        try:
            return self.embedders.get(location.embedder).languages
        except EmbedderMissing:
            return ()

    def weights(self, location: Location, query: Query) -> FusionWeights:
        """How the scores of the collection's embedder are fused for a query in this language."""
        return weights_of(location.embedder, query.language)

    async def embed(self, location: Location, text: str) -> Vector:
        """The query's vector (float32, length 1) by the collection's embedder. Raises what embedders
        raise."""
        embedder = self.embedders.get(location.embedder)
        await embedder.load()
        return (await embedder.embed([text], "query"))[0]

    async def run(self, location: Location, query: Query, vector: Vector | None = None) -> Candidates:
        """The candidates of the query's retrievers; a vector that is given is not made again."""
        found = Candidates(vector=vector)
        if "dense" in query.retrievers and vector is None:
            await self._load_embedder(location)
        dense, text, titles = await asyncio.gather(
            self._ask("dense", query, lambda: self._dense(location, query, found)),
            self._ask("text", query, lambda: self._text(location, query, found)),
            self._ask("graph", query, lambda: self._match_titles(location, query)),
        )
        for retriever, answer in (("dense", dense), ("text", text)):
            if isinstance(answer, Capibara6Error):
                found.degrade(retriever, answer.source or retriever)
            elif answer is not None:
                found.add(retriever, answer)
        if isinstance(titles, Capibara6Error):
            found.degrade("graph", titles.source or "graph")
        elif titles is not None:
            await self._expand(location, query, found, titles)
        failures = [answer for answer in (dense, text, titles) if isinstance(answer, Capibara6Error)]
        if failures and not found.rows and len(failures) >= len({*query.retrievers} - {"graph"}):
            raise failures[0]
        return found

    async def _load_embedder(self, location: Location) -> None:
        """Loading may take a second once: no retriever's deadline pays for it, nor for its failure here."""
        try:
            await self.embedders.get(location.embedder).load()
        except ABSENT as exc:
            log.warning("embedder_away", reason=exc.message)

    async def _dense(self, location: Location, query: Query, found: Candidates) -> StoreHits:
        """The nearest passages in Milvus, by cosine."""
        if found.vector is None:
            found.vector = await self.embed(location, query.text)
        return await self.milvus.dense(
            location.physical,
            found.vector.tolist(),
            limit=query.limit,
            filter=query.filter,
            deadline_s=self.deadline_s * MILVUS_SHARE,
        )

    async def _text(self, location: Location, query: Query, found: Candidates) -> StoreHits:
        """BM25 in Milvus; without Milvus, the same stems in PostgreSQL (which knows no filter)."""
        words = query.stems
        try:
            return await self.milvus.text(
                location.physical,
                " ".join(words),
                limit=query.limit,
                filter=query.filter,
                deadline_s=self.deadline_s * MILVUS_SHARE,
            )
        except StoreUnavailable:
            if query.filter:
                raise
        found.degrade("milvus")
        rows = await self.repository.search_words(location, words, limit=query.limit)
        return [{"id": row["id"], "distance": row["distance"], "entity": row} for row in rows]

    async def _match_titles(self, location: Location, query: Query) -> TitleMatches:
        return await self.graph.match_titles(location, query, deadline_s=self.deadline_s)

    async def _expand(
        self, location: Location, query: Query, found: Candidates, titles: TitleMatches
    ) -> None:
        """The graph's scores, and the rows of passages that only the graph found."""
        seeds = fuse(found, query, self.languages(location), self.weights(location, query))
        around = await self._within_deadline(
            self.graph.around(location, seeds, titles, deadline_s=self.deadline_s)
        )
        if isinstance(around, Capibara6Error):
            found.degrade("graph", around.source or "graph")
            return
        sure = surest(seeds, around, titles.shares)
        shared = sharing(around, sure, _asked(query, found.rows, sure))
        await self._add_rows(location, query, found, shared[:MAX_SHARING])
        asked = _asked(query, found.rows, [*sure, *shared])
        found.expansion = expand(seeds, around, titles.shares, asked)
        await self._add_rows(location, query, found, found.expansion.added)
        scores = found.expansion.scores
        found.scores["graph"] = {key: value for key, value in scores.items() if key in found.rows}

    async def _add_rows(
        self, location: Location, query: Query, found: Candidates, passages: Sequence[str]
    ) -> None:
        """The rows of those of `passages` that are not there; without Milvus `degraded`, and with a filter,
        which the graph does not know, none."""
        missing = [key for key in passages if key not in found.rows]
        if not missing or query.filter:
            return
        rows = await self._within_deadline(self.milvus.get(location.physical, missing, fields=OUTPUT_FIELDS))
        if isinstance(rows, Capibara6Error):
            found.degrade(rows.source or "milvus")
            return
        found.rows |= {key: passage_row(row) for key, row in rows.items()}

    async def _ask(
        self, retriever: str, query: Query, work: Callable[[], Awaitable[Answer]]
    ) -> Answer | Capibara6Error | None:
        """What the retriever answers, or the error that makes it absent; None when the query leaves it
        out."""
        return await self._within_deadline(work()) if retriever in query.retrievers else None

    async def _within_deadline(self, work: Awaitable[Answer]) -> Answer | Capibara6Error:
        """The answer, or the error that makes its retriever absent."""
        try:
            async with asyncio.timeout(self.deadline_s):
                return await work
        except TimeoutError:
            return StoreUnavailable("the leg did not answer in time", retry_after=1)
        except ABSENT as exc:
            return exc


def _asked(query: Query, rows: Mapping[str, PassageRow], passages: Sequence[str]) -> Asked:
    """What a query asks of some passages, as far as their rows are here."""
    texts = {
        key: Text(rows[key]["title"], rows[key]["text"], labelled(rows[key]))
        for key in passages
        if key in rows
    }
    return Asked(query.stems, texts)
