"""Reads the subgraph around passages from NebulaGraph: which titles they mention, whose titles these are.

Each statement is one step (`GO`) with a deadline and a bound of rows. What is asked in which order is the
graph retriever's business (`search.graph_retriever`), what the links are worth `expansion`'s.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from servers.bridge.clients.nebula.client import Nebula
from servers.bridge.graph.statements import BATCH, ENDPOINTS, batches, id_list, is_thing

MAX_ROWS = 2_000
"""Edges that one statement of a search reads: a hub costs no more than this."""

COMMON = 12
"""A thing that more passages name leads nowhere. 20: no difference of R@5."""
TOGETHER, EXPECTED = 16, 6
"""Things of one statement, and the passages that name each of them, on average, that are read: what very many
name hides the others of its statement, and no more."""


@dataclass(frozen=True)
class Subgraph:
    """Edges and names around some passages.

    `mentions` and `about` hold `(passage id, name's vertex id)`; by the name's vertex id, `degree` is how
    many passages mention it (as `KnowledgeGraph.count` kept it) and `names` its stems. `things` holds the
    passages that name a thing which is no title here, by the thing's normalised name."""

    mentions: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    about: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    degree: dict[str, int] = field(default_factory=dict[str, int])
    names: dict[str, str] = field(default_factory=dict[str, str])
    things: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    def add(self, other: "Subgraph", *, without: frozenset[str] = frozenset()) -> None:
        """Take over the edges and names of `other`, but for the names (vertex ids) in `without`."""
        self.mentions.update(pair for pair in other.mentions if pair[1] not in without)
        self.about.update(pair for pair in other.about if pair[1] not in without)
        self.degree.update(item for item in other.degree.items() if item[0] not in without)
        self.names.update(item for item in other.names.items() if item[0] not in without)
        self.things.update(other.things)


class SubgraphReader:
    """Raises StoreUnavailable, CollectionNotFound when the collection has no graph yet."""

    def __init__(self, nebula: Nebula) -> None:
        self.nebula = nebula

    async def linked(self, space: str, passages: Sequence[str], *, deadline_s: float) -> Subgraph:
        """The names that `passages` (ids) mention, and those of their own titles."""
        found = Subgraph()
        columns = f"{ENDPOINTS}, type(edge) AS t, properties($$).mentioned AS n, properties($$).name AS m"
        for passage, name, kind, degree, label in await self._go(
            space, passages, "mentions, about", columns, deadline_s
        ):
            _note(found, name, degree, label)
            (found.about if kind == "about" else found.mentions).add((passage, name))
        return found

    async def titled(self, space: str, names: Sequence[str], *, deadline_s: float) -> Subgraph:
        """The passages whose document's title is one of `names` (vertex ids)."""
        found = Subgraph()
        columns = f"{ENDPOINTS}, properties($^).mentioned AS n, properties($^).name AS m"
        for passage, name, degree, label in await self._go(
            space, names, "about REVERSELY", columns, deadline_s
        ):
            _note(found, name, degree, label)
            found.about.add((passage, name))
        return found

    async def mentioning(
        self, space: str, names: Sequence[str], *, deadline_s: float
    ) -> set[tuple[str, str]]:
        """`(passage id, name)` of who mentions one of `names` (vertex ids)."""
        rows = await self._go(space, names, "mentions REVERSELY", ENDPOINTS, deadline_s)
        return {(passage, name) for passage, name in rows}

    async def things(self, space: str, passages: Sequence[str], *, deadline_s: float) -> dict[str, str]:
        """The names of the things that `passages` name, normalised, by vertex id."""
        columns = "dst(edge) AS t, properties($$).name AS m"
        rows = await self._go(space, passages, "names", columns, deadline_s)
        return {str(key): str(name) for key, name in rows if is_thing(key, name)}

    async def naming(self, space: str, things: Sequence[str], *, deadline_s: float) -> dict[str, set[str]]:
        """The passages that name each of `things` (vertex ids), by these; one that more than `COMMON` name is
        left out."""
        found: dict[str, set[str]] = {}
        asked = [
            self._go(space, batch, "names REVERSELY", ENDPOINTS, deadline_s, most=len(batch) * EXPECTED)
            for batch in batches(things, TOGETHER)
        ]
        for rows in await asyncio.gather(*asked):
            for passage, thing in rows:
                found.setdefault(str(thing), set()).add(str(passage))
        return {thing: passages for thing, passages in found.items() if len(passages) <= COMMON}

    async def _go(
        self,
        space: str,
        starts: Sequence[str],
        edges: str,
        columns: str,
        deadline_s: float,
        most: int = MAX_ROWS,
    ) -> list[list[Any]]:
        """Rows of one step from `starts` over `edges`; nothing is asked for no starts."""
        found: list[list[Any]] = []
        for batch in batches(starts, BATCH):
            query = f"GO FROM {id_list(batch)} OVER {edges} YIELD {columns} LIMIT [{most}]"
            found += (await self.nebula.execute(space, query, deadline_s=deadline_s))[1]
        return found


def _note(found: Subgraph, name: str, degree: object, label: object) -> None:
    found.degree[name] = degree if isinstance(degree, int) else 0
    found.names[name] = str(label)
