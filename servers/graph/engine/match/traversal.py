"""Traverses a path pattern: from its start vertices, edge by edge, never an edge twice in a path."""

from collections.abc import Iterator
from typing import Any

from servers.graph.engine.access.reader import GraphReader, Hop
from servers.graph.engine.frame import Frame
from servers.graph.engine.match.pattern import Link, Node, Pattern
from servers.graph.values.comparison import equal
from servers.graph.values.types import EMPTY, NULL, Edge, Path, Tags, Vertex

Step = tuple[int, int, int]
"""(link, the node it is traversed from, the node it leads to)"""


def expand_order(pattern: Pattern, start: int) -> list[Step]:
    """The order in which the links are traversed: right from the start, then left."""
    right = [(at, at, at + 1) for at in range(start, len(pattern.links))]
    return right + [(at, at + 1, at) for at in range(start - 1, -1, -1)]


class PatternTraversal:
    """The traversal of a pattern for one row. `nodes` and `edges` hold the match while it is yielded.

    `between` holds the inner vertices of links of several hops; `used` the keys of the path's edges.
    """

    def __init__(self, pattern: Pattern, order: list[Step], reader: GraphReader, frame: Frame) -> None:
        self.pattern, self.order, self.reader, self.frame = pattern, order, reader, frame
        self.nodes: list[Any] = [None] * len(pattern.nodes)
        self.edges: list[Any] = [None] * len(pattern.links)
        self.between: list[list[Vertex]] = [[] for _ in pattern.links]
        self.used: set[Any] = set()
        self._wanted = [self._values(node) for node in pattern.nodes]
        self._wanted_edges = [[(name, value(frame)) for name, value in link.props] for link in pattern.links]

    def _values(self, node: Node) -> list[tuple[str | None, str, Any]]:
        return [(owner, name, value(self.frame)) for owner, name, value in node.props]

    def matches(self, start: int, vids: Any) -> Iterator[None]:
        """Yields once a match; read `nodes`, `edges`, `path` then."""
        for vid in vids:
            vertex = self.accept(start, vid)
            if vertex is not None:
                self.nodes[start] = vertex
                yield from self._extend(0)
                self.nodes[start] = None

    def _extend(self, at: int) -> Iterator[None]:
        if at == len(self.order):
            yield None
            return
        link_at, source, target = self.order[at]
        link = self.pattern.links[link_at]
        forward = target > source
        hop = (
            self._one(link_at, link, source, target, forward)
            if link.low is None
            else (self._many(link_at, link, source, target, forward))
        )
        for vertex in hop:
            self.nodes[target] = vertex
            yield from self._extend(at + 1)
            self.nodes[target] = None

    def _one(self, link_at: int, link: Link, source: int, target: int, forward: bool) -> Iterator[Vertex]:
        vid = self.nodes[source].vid
        bound = self.frame.row[link.bound] if link.bound is not None else None
        for edge in self.expand(link_at, link, vid, forward):
            key = edge.key
            if key in self.used or (bound is not None and bound != edge):
                continue
            vertex = self.accept(target, edge.dst)
            if vertex is None:
                continue
            self.edges[link_at] = edge if forward else edge.flipped
            self.used.add(key)
            yield vertex
            self.used.discard(key)

    def _many(self, link_at: int, link: Link, source: int, target: int, forward: bool) -> Iterator[Vertex]:
        low, high = link.low or 0, link.high
        trail: list[Edge] = []
        passed: list[Vertex] = []
        bound = self.frame.row[link.bound] if link.bound is not None else None
        # Where the edges are known, they are walked as they are instead of looked for.
        known = _walked(bound, forward) if link.bound is not None else None

        def here(vid: Any) -> Iterator[Vertex]:
            if len(trail) >= low:
                vertex = self.accept(target, vid)
                found = trail[:] if forward else [edge.flipped for edge in reversed(trail)]
                if vertex is not None and (bound is None or bound == found):
                    self.edges[link_at] = found
                    inner = passed[:-1]
                    self.between[link_at] = inner if forward else inner[::-1]
                    yield vertex
            if len(trail) < high and (known is None or len(trail) < len(known)):
                yield from onwards(vid)

        def onwards(vid: Any) -> Iterator[Vertex]:
            for edge in self.expand(link_at, link, vid, forward):
                key = edge.key
                if key in self.used or (known is not None and edge != known[len(trail)]):
                    continue
                if not self.reader.has_vertex(edge.dst):
                    continue
                self.used.add(key)
                trail.append(edge)
                passed.append(self.reader.vertex(edge.dst))
                yield from here(edge.dst)
                trail.pop()
                passed.pop()
                self.used.discard(key)

        yield from here(self.nodes[source].vid)

    def expand(self, link_at: int, link: Link, vid: Any, forward: bool) -> Iterator[Edge]:
        """The edges of a link at a vertex whose properties fit; `forward` is left to right in the pattern."""
        wanted = self._wanted_edges[link_at]
        for hop in self._hops(link, vid, forward):
            edge = self.reader.edge(vid, hop)
            if not wanted or all(equal(edge.props.get(name, NULL), value) is True for name, value in wanted):
                yield edge

    def _hops(self, link: Link, vid: Any, forward: bool) -> list[Hop]:
        direction = link.direction
        found: list[Hop] = []
        if direction == "both" or (direction == "out") == forward:
            found = self.reader.hops(vid, link.types, out=True, all_types=link.all_types)
        if direction == "both" or (direction == "in") == forward:
            back = self.reader.hops(vid, link.types, out=False, all_types=link.all_types)
            # A loop at the vertex is found outwards already.
            found = found + ([hop for hop in back if hop[2] != vid] if direction == "both" else back)
        return found

    def accept(self, at: int, vid: Any) -> Vertex | None:
        """The vertex, if it fits the node of the pattern, else None."""
        node = self.pattern.nodes[at]
        if node.bound is not None:
            known = self.frame.row[node.bound]
            if type(known) is not Vertex or known.vid != vid:
                return None
        for same in node.same_alias:
            other = self.nodes[same]
            if other is not None and other.vid != vid:
                return None
        if not node.labels and not self._wanted[at]:
            return self.reader.vertex(vid) if self.reader.has_vertex(vid) else None
        tags = self.reader.tags(vid)
        if tags is None:
            return None
        if node.labels and not all(label in tags for label in node.labels):
            return None
        if not all(equal(_prop(tags, owner, name), value) is True for owner, name, value in self._wanted[at]):
            return None
        return Vertex(vid, tags)

    @property
    def path(self) -> Path:
        """The match as a path. Read it while the match is yielded."""
        vertices, edges = [self.nodes[0]], []
        for at, found in enumerate(self.edges):
            if isinstance(found, list):
                if found:
                    vertices += self.between[at]
                    edges += found
                    vertices.append(self.nodes[at + 1])
            else:
                edges.append(found)
                vertices.append(self.nodes[at + 1])
        return Path(vertices, edges)


def _walked(bound: Any, forward: bool) -> list[Any]:
    edges = bound if type(bound) is list else []
    return edges if forward else edges[::-1]


def _prop(tags: Tags, owner: str | None, name: str) -> Any:
    if owner is not None:
        return tags.get(owner, {}).get(name, EMPTY)
    return next((props[name] for props in tags.values() if name in props), EMPTY)
