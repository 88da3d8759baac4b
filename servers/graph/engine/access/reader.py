"""Reads vertices and edges for one query: a cache of vertices, edges of a vertex, scans by tag and type."""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from servers.graph.engine.execution import Execution
from servers.graph.storage.schema import SchemaDef
from servers.graph.storage.space import NO_TAG, SpaceStore
from servers.graph.values.types import Edge, Tags, Vertex

Hop = tuple[int, int, Any, str]
"""(signed type, rank, the other end, stored properties)"""

OUT_ALL = "SELECT type, rank, dst, props FROM e WHERE src = ?"
OUT_ONE = "SELECT type, rank, dst, props FROM e WHERE src = ? AND type = ?"
IN_ALL = "SELECT -type, rank, src, props FROM e WHERE dst = ?"
IN_ONE = "SELECT -type, rank, src, props FROM e WHERE dst = ? AND type = ?"


MAX_CACHED_VERTICES = 200_000
"""Vertices that one query keeps at hand."""


class GraphReader:
    """The graph as one query sees it: one snapshot, with a cache of vertices.

    What TTL has ended is not there.
    """

    def __init__(self, run: Execution, store: SpaceStore, connection: sqlite3.Connection) -> None:
        self.run = run
        self.schema = store.schema
        self.decoders = store.decoders
        self._execute = connection.execute
        self._vertices: dict[Any, Tags | None] = {}
        self._rows: dict[Any, list[tuple[int, str]]] = {}
        self._ttl_edges = store.ttl_edges
        self._has_ttl_tags = store.has_ttl_tags

    # ------------------------------------------------------------ vertices
    def _stored(self, vid: Any) -> list[tuple[int, str]]:
        """The vertex's rows; none when the space does not have it."""
        found = self._rows.get(vid)
        if found is None:
            self.run.tick()
            found = self._execute("SELECT tag, props FROM v WHERE vid = ?", (vid,)).fetchall()
            if len(self._rows) < MAX_CACHED_VERTICES:
                self._rows[vid] = found
        return found

    def tags(self, vid: Any) -> Tags | None:
        """Properties by tag; None when the space has no such vertex."""
        if vid in self._vertices:
            return self._vertices[vid]
        stored = self._stored(vid)
        found = self._decoded(stored) if stored else None
        if len(self._vertices) < MAX_CACHED_VERTICES:
            self._vertices[vid] = found
        return found

    def _decoded(self, stored: list[tuple[int, str]]) -> Tags | None:
        names, made, bare = self.schema.tag_ids, Tags(), False
        for tag, text in stored:
            definition = names.get(tag)
            if definition is None:
                bare = bare or tag == NO_TAG
                continue
            props = self.decoders[tag](text)
            if props is not None:
                made[definition.name] = props
        return made if made or bare else None

    def vertex(self, vid: Any) -> Vertex:
        """The vertex, its tags read when they are looked at; without tags where an edge dangles."""
        return Vertex(vid, self.tags)

    def has_vertex(self, vid: Any) -> bool:
        """Whether the space has the vertex."""
        if self._has_ttl_tags or vid in self._vertices:
            return self.tags(vid) is not None
        return bool(self._stored(vid))

    # ------------------------------------------------------------ edges
    def hops(self, vid: Any, types: Iterable[int], *, out: bool, all_types: bool) -> list[Hop]:
        """Edges at a vertex in one direction. `all_types` reads all types at once instead of `types`."""
        self.run.tick()
        if all_types:
            rows = self._execute(OUT_ALL if out else IN_ALL, (vid,)).fetchall()
        else:
            one = OUT_ONE if out else IN_ONE
            rows = [row for kind in types for row in self._execute(one, (vid, kind)).fetchall()]
        return [row for row in rows if self._alive(row)] if self._ttl_edges else rows

    def _alive(self, row: Hop) -> bool:
        kind = abs(row[0])
        return kind not in self._ttl_edges or self.decoders[kind](row[3]) is not None

    def edge(self, src: Any, hop: Hop) -> Edge:
        """The edge as traversed from `src`."""
        kind, rank, other, text = hop
        name = self.schema.edge_ids[abs(kind)].name
        return Edge(src, other, kind, name, rank, text, self.decoders[abs(kind)])

    # ------------------------------------------------------------ scans
    def vertices_with_tag(self, tag: int, where: str, bound: list[Any]) -> Iterator[Any]:
        """Vids with a tag, by its id; `where` is more SQL for the WHERE, `bound` its bindings."""
        for (vid,) in self._execute(f"SELECT vid FROM v WHERE tag = {tag}{where}", bound):
            self.run.tick()
            yield vid

    def edges_of_type(self, definition: SchemaDef, where: str, bound: list[Any]) -> Iterator[Edge]:
        """The edges of a type; `where` is more SQL for the WHERE, `bound` its bindings."""
        number, name, decode = definition.id, definition.name, self.decoders[definition.id]
        sql = f"SELECT src, rank, dst, props FROM e WHERE type = {number}{where}"
        for src, rank, dst, text in self._execute(sql, bound):
            self.run.tick()
            props = decode(text)
            if props is not None:
                yield Edge(src, dst, number, name, rank, props)

    def endpoints(self, types: list[int] | None, end: str) -> Iterator[Any]:
        """Distinct vids at the `src` or `dst` end of edges of some types, of all for None."""
        where = "" if types is None else f" WHERE type IN ({', '.join(map(str, types))})"
        for (vid,) in self._execute(f"SELECT DISTINCT {end} FROM e{where}"):
            self.run.tick()
            yield vid

    def all_vertices(self) -> Iterator[Any]:
        """Every vid of the space: a full scan."""
        for (vid,) in self._execute("SELECT DISTINCT vid FROM v"):
            self.run.tick()
            yield vid

    def edge_by_key(self, src: Any, kind: int, rank: int, dst: Any) -> Edge | None:
        """The edge of that key (`kind` is its type's id), or None."""
        row = self._execute(
            "SELECT props FROM e WHERE src = ? AND type = ? AND rank = ? AND dst = ?", (src, kind, rank, dst)
        ).fetchone()
        if row is None or not self._alive((kind, rank, dst, row[0])):
            return None
        return self.edge(src, (kind, rank, dst, row[0]))
