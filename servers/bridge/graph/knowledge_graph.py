"""The knowledge graph of a collection in NebulaGraph, and its only writer: passages, names, their edges.

`about`: a passage's title is this name. `mentions`: its text holds another document's title. `names`: it
speaks of a capitalised or quoted thing. `related`: a passage says so of two things (`extraction`). `leaving`:
a document's passages had this name and are being removed (`removal`). `subgraph` reads it for a search.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from servers.bridge.clients.nebula.client import Nebula, quoted
from servers.bridge.graph.statements import (
    BATCH,
    SCHEMA,
    Passage,
    batches,
    id_list,
    insert_statements,
    is_thing,
)
from servers.bridge.text.title_names import vertex
from tools.errors import BadRequest, CollectionNotFound

MAX_COUNTED = 1_000
"""Who is mentioned by so many is counted no further: a hub is a hub, and counting it again costs its size."""
WRITE_S = 30.0
SETTLE_S, RETRY_S = 30.0, 0.5
"""A cluster's servers hear of a new schema with their heartbeats, ten seconds apart by default
(NebulaGraph's `heartbeat_interval_secs`; its manual says to wait two of them)."""
UNSETTLED = ("not found", "notfound", "not exist", "notexist", "no schema", "there is no space")


class KnowledgeGraph:
    """Writes the graph, each collection in its space. Raises StoreUnavailable."""

    def __init__(self, nebula: Nebula) -> None:
        self.nebula = nebula
        self.ready: set[str] = set()
        self.settle_s = SETTLE_S
        self.settled_at: dict[str, float] = {}

    async def ensure(self, space: str) -> None:
        """Make the space and its schema when they are missing."""
        if space in self.ready:
            return
        await self.execute("", f"CREATE SPACE IF NOT EXISTS `{space}`(vid_type=FIXED_STRING(64))")
        self.settled_at[space] = time.monotonic() + self.settle_s
        for statement in SCHEMA:
            await self.execute(space, statement)
        self.ready.add(space)

    async def write(
        self, space: str, passages: Sequence[Passage], mentions: Sequence[tuple[str, str]]
    ) -> None:
        """Insert `passages` and the `(passage id, name)` mentions of others; again changes nothing."""
        await self.ensure(space)
        for statement in await asyncio.to_thread(lambda: list(insert_statements(passages, mentions))):
            await self.execute(space, statement)
        names = {name for item in passages for name in (item.name, *item.mentions) if name}
        await self.count(space, sorted(names | {name for _, name in mentions}))

    async def count(self, space: str, names: Sequence[str], *, fewer: bool = False) -> None:
        """Keep on each name how many passages mention it: a search need not walk a hub to know it is one.

        `fewer`: some mentions have gone, so that what was a hub may be one no longer."""
        name_of = {vertex(name): name for name in names}
        for batch in batches(list(name_of), BATCH):
            degrees = {} if fewer else await self._degrees(space, batch)
            wanted = [key for key in batch if degrees.get(key, 0) < MAX_COUNTED]
            if not wanted:
                continue
            query = (
                f"GO FROM {id_list(wanted)} OVER mentions REVERSELY YIELD dst(edge) AS e "
                "| GROUP BY $-.e YIELD $-.e AS e, count(*) AS n"
            )
            _, rows = await self.nebula.execute(space, query, deadline_s=WRITE_S)
            counted = {str(row[0]): min(MAX_COUNTED, int(row[1])) for row in rows}
            values = [f"{quoted(key)}:({quoted(name_of[key])}, {counted.get(key, 0)})" for key in wanted]
            await self.execute(space, f"INSERT VERTEX entity(name, mentioned) VALUES {', '.join(values)}")

    async def _degrees(self, space: str, names: Sequence[str]) -> dict[str, int]:
        """What `count` has kept on names (vertex ids)."""
        query = f"FETCH PROP ON entity {id_list(names)} YIELD id(vertex) AS e, entity.mentioned AS n"
        _, rows = await self.nebula.execute(space, query, deadline_s=WRITE_S)
        return {str(key): int(count) for key, count in rows if isinstance(count, int)}

    async def sweep(self, space: str, names: Mapping[str, object]) -> set[str]:
        """Remove the vertices in `names` (names by vertex id) that no edge reaches any more; their ids.

        Writers write edges before they name what these reach, so an edge that came between the look and the
        removal is seen after it, and a thing gets its name again; titles get theirs when they are counted."""
        swept: set[str] = set()
        for batch in batches(list(names), BATCH):
            unreached = sorted(set(batch) - await self._reached(space, batch))
            if not unreached:
                continue
            await self.execute(space, f"DELETE VERTEX {id_list(unreached)}")
            back = await self._reached(space, unreached)
            await self.name_things(space, {key: str(names[key]) for key in back if is_thing(key, names[key])})
            swept.update(set(unreached) - back)
        return swept

    async def _reached(self, space: str, vertices: Sequence[str]) -> set[str]:
        edges = "about, mentions, names, related REVERSELY"
        return {row[0] for row in await self.go(space, vertices, edges, "DISTINCT dst(edge) AS e")}

    async def name_things(self, space: str, things: Mapping[str, str]) -> None:
        """Write names by vertex id; after the edges that reach them (`sweep`)."""
        values = [f"{quoted(key)}:({quoted(name)})" for key, name in things.items()]
        await self.each(space, "INSERT VERTEX thing(name) VALUES", values)

    async def go(self, space: str, starts: Sequence[str], edges: str, columns: str) -> list[list[Any]]:
        """All rows of one step (`GO`) from `starts` over `edges`, however many."""
        rows: list[list[Any]] = []
        for batch in batches(starts, BATCH):
            rows += await self.execute(space, f"GO FROM {id_list(batch)} OVER {edges} YIELD {columns}")
        return rows

    async def each(self, space: str, head: str, values: Sequence[str]) -> None:
        """Run `head` over all `values`, `BATCH` at a time."""
        for batch in batches(values, BATCH):
            await self.execute(space, f"{head} {', '.join(batch)}")

    async def execute(self, space: str, statement: str) -> list[list[Any]]:
        """Run a write, or a read before one; again while a space that was just made is not known to all of a
        cluster."""
        while True:
            try:
                return (await self.nebula.execute(space, statement, deadline_s=WRITE_S))[1]
            except (BadRequest, CollectionNotFound) as exc:
                if not unsettled(exc.message) or time.monotonic() >= self.settled_at.get(space, 0.0):
                    raise
            await asyncio.sleep(RETRY_S)


def unsettled(message: str) -> bool:
    """Whether an error may only mean that a new space, tag or edge has not reached every server yet."""
    lowered = message.lower()
    return any(mark in lowered for mark in UNSETTLED)
