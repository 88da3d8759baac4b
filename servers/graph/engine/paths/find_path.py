"""FIND PATH: shortest ones, all without a repeated edge, or all without a repeated vertex."""

from collections.abc import Iterator
from typing import Any

from servers.graph.engine.access.elements import TraverseScope
from servers.graph.engine.access.reader import Access
from servers.graph.engine.access.start_vertices import Places
from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.frame import Frame, Rows, Run
from servers.graph.engine.plan import Context, Plan
from servers.graph.engine.scope import Leaf, Scope
from servers.graph.engine.statements.go import Walker
from servers.graph.engine.statements.output import build_output
from servers.graph.engine.type_check import checked_filter
from servers.graph.errors import SemanticError
from servers.graph.language import expressions as e
from servers.graph.language import statements as s
from servers.graph.values.types import Edge, Path, Vertex


class PathScope(Scope):
    """YIELD's only name: `path`."""

    def special(self, node: e.Expr) -> Leaf | None:
        match node:
            case e.Ref(what="PATH"):
                return lambda frame: frame.edge
            case e.Ref():
                raise SemanticError(f"illegal yield clauses `{node.text()}'")
        return None

    def special_type(self, node: e.Expr) -> str:
        return "PATH" if isinstance(node, e.Ref) else super().special_type(node)


def plan_path(statement: s.FindPath, context: Context) -> Plan:
    if statement.output is None:
        raise SemanticError("Missing yield clause.")
    store = context.store
    walker = Walker(statement.over, context)
    starts, ends = Places(statement.starts, context), Places(statement.ends, context)
    columns = statement.output.columns
    if len(columns) != 1 or columns[0].expr != e.Ref("PATH"):
        raise SemanticError("Only support yield path")
    output = build_output(
        columns, PathScope(parameters=context.parameters), distinct=statement.output.distinct
    )
    search = _Search(walker, _where(statement, walker, context), statement)

    def frames(access: Access, run: Run) -> Iterator[Frame]:
        frame = Frame(run)
        for path in search.paths(access, starts.vids(run), ends.vids(run)):
            frame.edge = path
            yield frame

    def execute(run: Run) -> Rows:
        with store.read(run.deadline) as connection:
            return output.rows(frames(Access(run, store, connection), run), run)

    return Plan("FindPath", output.names, execute, output.types)


def _where(statement: s.FindPath, walker: Walker, context: Context) -> Evaluate | None:
    if statement.where is None:
        return None
    scope = TraverseScope(parameters=context.parameters)
    scope.bind(context, walker.edges)
    return compile_expr(checked_filter(statement.where, scope), scope)


class _Search:
    """A path search ready to run."""

    def __init__(self, walker: Walker, where: Evaluate | None, statement: s.FindPath) -> None:
        self.walker, self.where, self.kind = walker, where, statement.kind
        self.most, self.with_prop = statement.upto, statement.with_prop

    def paths(self, access: Access, starts: list[Any], ends: list[Any]) -> Iterator[Path]:
        if self.most > access.run.caps.steps:
            raise SemanticError(f"{self.most} STEPS is more than {access.run.caps.steps}")
        if self.kind in ("ALL", "NOLOOP"):
            found = (trail for start in starts for trail in self._trails(access, start, set(ends)))
        else:
            every = self.kind == "SHORTEST"
            found = (trail for start in starts for trail in self._shortest(access, start, ends, every))
        return (self._path(access, trail) for trail in found)

    def _edges(self, access: Access, vid: Any) -> list[Edge]:
        made = [access.edge(vid, hop) for hop in self.walker.hops(access, vid)]
        if self.where is None:
            return made
        frame = Frame(access.run)
        frame.tags, frame.src = access, vid
        kept = []
        for edge in made:
            frame.edge, frame.dst = edge, edge.dst
            if self.where(frame) is True:
                kept.append(edge)
        return kept

    def _path(self, access: Access, trail: list[Edge]) -> Path:
        vids = [trail[0].src, *(edge.dst for edge in trail)]
        if self.with_prop:
            return Path([access.vertex(vid) for vid in vids], trail)
        bare = [Edge(edge.src, edge.dst, edge.type, edge.name, edge.rank) for edge in trail]
        return Path([Vertex(vid) for vid in vids], bare)

    # ------------------------------------------------------------ all and noloop
    def _trails(self, access: Access, start: Any, ends: set[Any]) -> Iterator[list[Edge]]:
        """Depth first; only ways from which an end can still be reached in time are followed."""
        near = self._distances(access, ends)
        loops = self.kind == "ALL"
        trail: list[Edge] = []
        used: set[Any] = set() if loops else {start}

        def onwards(vid: Any) -> Iterator[list[Edge]]:
            for edge in self._edges(access, vid):
                access.run.tick()
                key = edge.key if loops else edge.dst
                left = self.most - len(trail) - 1
                if key in used or near.get(edge.dst, left + 1) > left:
                    continue
                used.add(key)
                trail.append(edge)
                if edge.dst in ends:
                    yield trail[:]
                if left:
                    yield from onwards(edge.dst)
                trail.pop()
                used.discard(key)

        if self.most > 0:
            yield from onwards(start)

    def _distances(self, access: Access, ends: set[Any]) -> dict[Any, int]:
        """Steps from each vertex to the nearest end, walking edges backwards, filters aside."""
        walker, types = self.walker, self.walker.types
        near = dict.fromkeys(ends, 0)
        level = list(ends)
        for depth in range(1, self.most):
            found: dict[Any, int] = {}
            for vid in level:
                hops = access.hops(vid, types, out=False, everything=walker.everything) if walker.out else []
                if walker.back:
                    hops = hops + access.hops(vid, types, out=True, everything=walker.everything)
                found.update((hop[2], depth) for hop in hops if hop[2] not in near)
            near.update(found)
            level = list(found)
        return near

    # ------------------------------------------------------------ shortest
    def _shortest(self, access: Access, start: Any, ends: list[Any], every: bool) -> Iterator[list[Edge]]:
        parents: dict[Any, list[Edge]] = {start: []}
        level, left = [start], {vid for vid in ends if vid != start}
        depth = 0
        while level and left and depth < self.most:
            depth += 1
            found: dict[Any, list[Edge]] = {}
            for vid in level:
                for edge in self._edges(access, vid):
                    access.run.tick()
                    if edge.dst not in parents:
                        found.setdefault(edge.dst, []).append(edge)
            parents.update(found)
            level = list(found)
            for vid in [vid for vid in level if vid in left]:
                left.discard(vid)
                yield from _back(access, parents, start, vid, every)


def _back(
    access: Access, parents: dict[Any, list[Edge]], start: Any, vid: Any, every: bool
) -> Iterator[list[Edge]]:
    """The trails from `start` to `vid` over first-reaching edges."""
    if vid == start:
        yield []
        return
    for edge in parents[vid] if every else parents[vid][:1]:
        access.run.tick()
        for trail in _back(access, parents, start, edge.src, every):
            yield [*trail, edge]
