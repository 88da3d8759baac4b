"""shortestPath and allShortestPaths: breadth first from one end of a pattern to the other."""

from collections.abc import Iterator
from typing import Any

from servers.graph.engine.access.reader import Access
from servers.graph.engine.frame import Frame, Row
from servers.graph.engine.match.pattern import Link, Pattern
from servers.graph.engine.match.start import Start
from servers.graph.engine.match.walker import Walk
from servers.graph.errors import SemanticError
from servers.graph.values.types import Edge, Path, Vertex


def check(pattern: Pattern) -> None:
    """Raises `SemanticError` for a pattern that has no shortest path."""
    if len(pattern.links) != 1:
        raise SemanticError("shortestPath requires a pattern containing a single relationship.")
    low = pattern.links[0].low
    if low is not None and low > 1:
        raise SemanticError("The lower bound of shortestPath must be 0 or 1.")


def shortest(pattern: Pattern, start: Start, access: Access, frame: Frame, row: Row) -> Iterator[Row]:
    """The row extended by each shortest path between each pair of ends."""
    walk = Walk(pattern, [], access, frame)
    sources = _ends(walk, 0, start, access, frame)
    targets = _ends(walk, 1, start, access, frame)
    link = pattern.links[0]
    for source in sources:
        wanted = {vid: vertex for vid, vertex in targets.items() if vid != source}
        for path in _paths(walk, link, sources[source], wanted, every=pattern.shortest == "all"):
            yield _bound(pattern, path, row)


def _ends(walk: Walk, at: int, start: Start, access: Access, frame: Frame) -> dict[Any, Vertex]:
    node = walk.pattern.nodes[at]
    found = start.find(access, frame) if start.node == at else _other(walk, at, access, frame)
    made: dict[Any, Vertex] = {}
    for vid in found:
        vertex = walk.accept(at, vid)
        if vertex is not None:
            made[vertex.vid] = vertex
    assert node is not None
    return made


def _other(walk: Walk, at: int, access: Access, frame: Frame) -> Any:
    """Ids at the end that the start does not give: bound ones, those with its tag, or all."""
    node = walk.pattern.nodes[at]
    if node.bound is not None:
        value = frame.row[node.bound]
        return [value.vid] if type(value) is Vertex else []
    for label in node.labels:
        return access.tagged(access.schema.tags[label].id, "", [])
    return access.everyone()


def _paths(
    walk: Walk, link: Link, source: Vertex, wanted: dict[Any, Vertex], *, every: bool
) -> Iterator[Path]:
    """Level by level: `parents` keeps, for each id, the edges that first reached it."""
    parents: dict[Any, list[Edge]] = {source.vid: []}
    level = [source.vid]
    depth, left = 0, set(wanted)
    while level and left and depth < link.high:
        depth += 1
        found: dict[Any, list[Edge]] = {}
        for vid in level:
            for edge in walk._steps(0, link, vid, True):
                if edge.dst not in parents:
                    found.setdefault(edge.dst, []).append(edge)
        parents.update(found)
        level = list(found)
        for vid in [vid for vid in level if vid in left]:
            left.discard(vid)
            yield from _trails(walk, parents, source, wanted[vid], every=every)


def _trails(
    walk: Walk, parents: dict[Any, list[Edge]], source: Vertex, target: Vertex, *, every: bool
) -> Iterator[Path]:
    def back(vid: Any) -> Iterator[list[Edge]]:
        if vid == source.vid:
            yield []
            return
        for edge in parents[vid] if every else parents[vid][:1]:
            walk.access.run.tick()
            for trail in back(edge.src):
                yield [*trail, edge]

    for trail in back(target.vid):
        inner = [walk.access.vertex(edge.dst) for edge in trail[:-1]]
        yield Path([source, *inner, target], trail)


def _bound(pattern: Pattern, path: Path, row: Row) -> Row:
    made = row[:]
    first, last = pattern.nodes
    link = pattern.links[0]
    places = [
        (first.place, path.vertices[0]),
        (last.place, path.vertices[-1]),
        (link.place, path.edges if link.low is not None else path.edges[0]),
        (pattern.path_place, path),
    ]
    for place, value in places:
        if place is not None:
            made[place] = value
    return made
