"""Shortest trails from one vertex, breadth first: for FIND SHORTEST PATH and MATCH's shortestPath."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from servers.graph.values.types import Edge

Trail = list[Edge]
"""Edges one after another; none twice."""


class ShortestTrails:
    """A search from `start`. `every` gives all shortest trails to an end, else one; `tick` counts the work.

    `parents` keeps, for each vertex, the edges that reached it first.
    """

    def __init__(self, start: Any, *, every: bool, tick: Callable[[], None]) -> None:
        self.start, self._every, self._tick = start, every, tick
        self._parents: dict[Any, list[Edge]] = {start: []}

    def trails(self, edges: Callable[[Any], Iterable[Edge]], ends: set[Any], most: int) -> Iterator[Trail]:
        """The trails to the ends, of at most `most` edges; `edges` gives those that leave a vertex.

        The start may be an end too: then the way leads there and back.
        """
        level, left, depth = [self.start], set(ends), 0
        while level and left and depth < most:
            depth += 1
            found: dict[Any, list[Edge]] = {}
            closing: list[Edge] = []
            for vid in level:
                for edge in edges(vid):
                    self._tick()
                    if edge.dst == self.start:
                        closing.append(edge)
                    elif edge.dst not in self._parents:
                        found.setdefault(edge.dst, []).append(edge)
            self._parents.update(found)
            level = list(found)
            if self.start in left:
                yield from self._round_trips(closing, left)
            for vid in [vid for vid in level if vid in left]:
                left.discard(vid)
                yield from self._back(vid)

    def _round_trips(self, closing: list[Edge], left: set[Any]) -> Iterator[Trail]:
        for edge in closing:
            for trail in self._back(edge.src):
                if all(edge != before for before in trail):
                    left.discard(self.start)
                    yield [*trail, edge]
                    if not self._every:
                        return

    def _back(self, vid: Any) -> Iterator[Trail]:
        if vid == self.start:
            yield []
            return
        for edge in self._parents[vid] if self._every else self._parents[vid][:1]:
            self._tick()
            for trail in self._back(edge.src):
                yield [*trail, edge]
