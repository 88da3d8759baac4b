"""shortestPath and allShortestPaths: breadth-first search from one end of a pattern to the other."""

from collections.abc import Iterator
from typing import Any

from servers.graph.engine.access.reader import GraphReader
from servers.graph.engine.access.shortest_trails import ShortestTrails
from servers.graph.engine.execution import Row
from servers.graph.engine.frame import Frame
from servers.graph.engine.match.pattern import Link, Pattern
from servers.graph.engine.match.start_finder import Start
from servers.graph.engine.match.traversal import PatternTraversal
from servers.graph.values.types import Edge, Path, Vertex


def shortest(pattern: Pattern, start: Start, reader: GraphReader, frame: Frame, row: Row) -> Iterator[Row]:
    """The row extended by each shortest path between each pair of ends."""
    traversal = PatternTraversal(pattern, [], reader, frame)
    sources = _ends(traversal, 0, start, reader, frame)
    targets = _ends(traversal, 1, start, reader, frame)
    link = pattern.links[0]
    for source in sources:
        for path in _paths(traversal, link, sources[source], targets, every=pattern.shortest == "all"):
            yield _bound(pattern, path, row)


def _ends(
    traversal: PatternTraversal, at: int, start: Start, reader: GraphReader, frame: Frame
) -> dict[Any, Vertex]:
    node = traversal.pattern.nodes[at]
    found = start.find(reader, frame) if start.node == at else _other(traversal, at, reader, frame)
    made: dict[Any, Vertex] = {}
    for vid in found:
        vertex = traversal.accept(at, vid)
        if vertex is not None:
            made[vertex.vid] = vertex
    assert node is not None
    return made


def _other(traversal: PatternTraversal, at: int, reader: GraphReader, frame: Frame) -> Any:
    """Ids at the end that the start does not give: bound ones, those with its tag, or all."""
    node = traversal.pattern.nodes[at]
    if node.bound is not None:
        value = frame.row[node.bound]
        return [value.vid] if type(value) is Vertex else []
    for label in node.labels:
        return reader.vertices_with_tag(reader.schema.tags[label].id, "", [])
    return reader.all_vertices()


def _paths(
    traversal: PatternTraversal, link: Link, source: Vertex, wanted: dict[Any, Vertex], *, every: bool
) -> Iterator[Path]:
    """The shortest ways from `source` to each wanted vertex; to itself, the shortest round trips."""
    search = ShortestTrails(source.vid, every=every, tick=traversal.reader.run.tick)

    def edges(vid: Any) -> Iterator[Edge]:
        return traversal.expand(0, link, vid, True)

    for trail in search.trails(edges, set(wanted), link.high):
        inner = [traversal.reader.vertex(edge.dst) for edge in trail[:-1]]
        yield Path([source, *inner, wanted[trail[-1].dst]], trail)


def _bound(pattern: Pattern, path: Path, row: Row) -> Row:
    made = row[:]
    first, last = pattern.nodes
    link = pattern.links[0]
    aliases = [
        (first.column, path.vertices[0]),
        (last.column, path.vertices[-1]),
        (link.column, path.edges if link.low is not None else path.edges[0]),
        (pattern.path_column, path),
    ]
    for column, value in aliases:
        if column is not None:
            made[column] = value
    return made
