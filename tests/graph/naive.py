"""A second, naive evaluator of nGQL's patterns and traversals: it tries everything and knows no index.

It shares nothing with the server: graphs are lists, a query is data, and what the documentation says is
spelt out below in the plainest way.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Row = tuple[Any, ...]
Trail = tuple["Edge", ...]


@dataclass(frozen=True)
class Edge:
    """A stored edge."""

    src: int
    kind: str
    rank: int
    dst: int
    weight: int | None


@dataclass
class Graph:
    """`vertices` are properties by tag by vid; edges may dangle."""

    vertices: dict[int, dict[str, dict[str, Any]]]
    edges: list[Edge]


@dataclass
class Node:
    """A node of a pattern; every one has a name."""

    name: str
    tags: list[str] = field(default_factory=list)


@dataclass
class Link:
    """An edge of a pattern: `way` is out, in or both; `hops` is None for exactly one."""

    name: str
    kinds: list[str]
    way: str
    hops: tuple[int, int] | None


@dataclass
class Pattern:
    """A path pattern."""

    nodes: list[Node]
    links: list[Link]


@dataclass
class Condition:
    """A condition: a comparison of `what` of `name` with a number, or a connective of `parts`."""

    what: str
    name: str = ""
    op: str = ""
    value: Any = None
    parts: list["Condition"] = field(default_factory=list)


COMPARE = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
}


def holds(test: Condition, graph: Graph, bound: dict[str, Any]) -> bool | None:
    """Three-valued: None is NULL."""
    if test.what == "not":
        inner = holds(test.parts[0], graph, bound)
        return None if inner is None else not inner
    if test.what in ("and", "or"):
        found = [holds(part, graph, bound) for part in test.parts]
        decisive = test.what == "or"
        if decisive in found:
            return decisive
        return None if None in found else not decisive
    value = _value(test, graph, bound)
    if test.op == "in":
        return None if value is None else value in test.value
    return None if value is None else COMPARE[test.op](value, test.value)


def _value(test: Condition, graph: Graph, bound: dict[str, Any]) -> Any:
    item = bound[test.name]
    if test.what == "id":
        return item
    if test.what == "weight":
        return item.weight
    tag, _, prop = test.what.partition(".")
    return graph.vertices[item].get(tag, {}).get(prop)


def steps(graph: Graph, vid: int, kinds: list[str], way: str) -> Iterator[tuple[Edge, int]]:
    """The edges of a pattern's link at a vertex and where each leads; a loop is one match."""
    for edge in graph.edges:
        if kinds and edge.kind not in kinds:
            continue
        if way in ("out", "both") and edge.src == vid:
            yield edge, edge.dst
        if way in ("in", "both") and edge.dst == vid and not (way == "both" and edge.src == vid):
            yield edge, edge.src


def walks(graph: Graph, link: Link, vid: int, used: Trail) -> Iterator[tuple[Any, int, Trail]]:
    """What the link binds, where it ends and the edges used so far; no edge is used twice."""
    low, high = link.hops or (1, 1)

    def onwards(at: int, trail: Trail) -> Iterator[tuple[Any, int, Trail]]:
        if len(trail) >= low:
            yield (list(trail) if link.hops else trail[0]), at, used + trail
        if len(trail) < high:
            for edge, other in steps(graph, at, link.kinds, link.way):
                if edge not in used + trail and other in graph.vertices:
                    yield from onwards(other, (*trail, edge))

    yield from onwards(vid, ())


def matches(graph: Graph, pattern: Pattern, where: Condition | None) -> Iterator[dict[str, Any]]:
    """Every way to bind the pattern's names: nodes to vids, links to an edge or a list of edges."""

    def fits(node: Node, vid: int) -> bool:
        return vid in graph.vertices and all(tag in graph.vertices[vid] for tag in node.tags)

    def extend(at: int, vid: int, bound: dict[str, Any], used: Trail) -> Iterator[dict[str, Any]]:
        if at == len(pattern.links):
            yield bound
            return
        link, node = pattern.links[at], pattern.nodes[at + 1]
        for value, end, trail in walks(graph, link, vid, used):
            if fits(node, end) and bound.get(node.name, end) == end:
                yield from extend(at + 1, end, {**bound, link.name: value, node.name: end}, trail)

    first = pattern.nodes[0]
    for vid in graph.vertices:
        if fits(first, vid):
            for bound in extend(0, vid, {first.name: vid}, ()):
                if where is None or holds(where, graph, bound) is True:
                    yield bound


def go(graph: Graph, starts: list[int], kinds: list[str], way: str, span: tuple[int, int]) -> Iterator[Edge]:
    """The edges of steps `span` of GO, the ends of each step taken once.

    Both ways a loop is two edges, as it is stored: one that leaves and one that arrives.
    """
    frontier = set(starts)
    for step in range(1, span[1] + 1):
        found = [
            (edge, other)
            for vid in frontier
            for direction in (("out", "in") if way == "both" else (way,))
            for edge, other in steps(graph, vid, kinds, direction)
        ]
        if step >= span[0]:
            yield from (edge for edge, _ in found)
        frontier = {other for _, other in found}


def table(rows: Iterator[Row], *, distinct: bool) -> Counter[Row]:
    """The rows and how often each is there."""
    made = Counter(rows)
    return Counter(made.keys()) if distinct else made
