"""FIND PATH: shortest paths, all without a repeated edge (ALL), or all without a repeated vertex (NOLOOP).

MATCH's shortestPath is in `match/shortest`.
"""

from collections.abc import Iterator
from typing import Any

from servers.graph.engine.access.element_scope import TraverseScope
from servers.graph.engine.access.reader import GraphReader
from servers.graph.engine.access.shortest_trails import ShortestTrails
from servers.graph.engine.access.start_vertices import StartVertices
from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.execution import Execution, Rows
from servers.graph.engine.expression_tree import walk
from servers.graph.engine.frame import Frame
from servers.graph.engine.paths.subgraph import filtered_props
from servers.graph.engine.plan import Context, Plan
from servers.graph.engine.scope import Leaf, Scope
from servers.graph.engine.statements.go import OverClause
from servers.graph.engine.statements.projection import compile_projection
from servers.graph.engine.type_check import checked_filter
from servers.graph.errors import SemanticError
from servers.graph.language import expressions as e
from servers.graph.language import statements as s
from servers.graph.values.types import NULL, Edge, Path, Vertex


class PathScope(Scope):
    """YIELD's only name: `path`."""

    def resolve_own(self, node: e.Expr) -> Leaf | None:
        match node:
            case e.Ref(what="PATH"):
                return lambda frame: frame.edge
            case e.Ref():
                raise SemanticError(f"illegal yield clauses `{node.text()}'")
        return None

    def own_type(self, node: e.Expr) -> str:
        return "PATH" if isinstance(node, e.Ref) else super().own_type(node)


def plan_path(statement: s.FindPath, context: Context) -> Plan:
    """Plan FIND PATH. Raises `SemanticError`."""
    if statement.output is None:
        raise SemanticError("Missing yield clause.")
    store = context.store
    over = OverClause(statement.over, context)
    starts, ends = StartVertices(statement.starts, context), StartVertices(statement.ends, context)
    columns = statement.output.columns
    if len(columns) != 1 or columns[0].expr != e.Ref("PATH"):
        raise SemanticError("Only support yield path")
    output = compile_projection(
        columns, PathScope(parameters=context.parameters), distinct=statement.output.distinct
    )
    search = _Search(over, _where(statement, over, context), statement)

    def frames(reader: GraphReader, run: Execution) -> Iterator[Frame]:
        frame = Frame(run)
        for path in search.paths(reader, starts.vids(run), ends.vids(run)):
            frame.edge = path
            yield frame

    def execute(run: Execution) -> Rows:
        with store.read(run.deadline) as connection:
            return output.rows(frames(GraphReader(run, store, connection), run), run)

    return Plan("FindPath", output.names, execute, output.types)


def _where(statement: s.FindPath, over: OverClause, context: Context) -> Evaluate | None:
    if statement.where is None:
        return None
    if any(_is_column(part, context) for part in walk(statement.where)):
        raise SemanticError(f"Not support `{statement.where.text()}' in where sentence.")
    scope = TraverseScope(parameters=context.parameters)
    scope.bind(context, over.edges)
    return compile_expr(checked_filter(statement.where, scope), scope)


def _is_column(part: e.Expr, context: Context) -> bool:
    match part:
        case e.Attr(left=e.Ref()):
            return True
        case e.Attr(left=e.Variable(name=name)):
            return name not in context.parameters
    return False


class _Search:
    """A path search ready to run. Without properties edges have only those that the filter reads."""

    def __init__(self, over: OverClause, where: Evaluate | None, statement: s.FindPath) -> None:
        self.over, self.where, self.kind = over, where, statement.kind
        self.max_steps, self.with_prop = statement.upto, statement.with_prop
        self.shown = filtered_props(statement.where)

    def paths(self, reader: GraphReader, starts: list[Any], ends: list[Any]) -> Iterator[Path]:
        """The paths from every start to any end. Raises `SemanticError` for more steps than the limit."""
        if self.max_steps > reader.run.limits.steps:
            raise SemanticError(f"{self.max_steps} STEPS is more than {reader.run.limits.steps}")
        if self.kind in ("ALL", "NOLOOP"):
            found = (trail for start in starts for trail in self._trails(reader, start, set(ends)))
        else:
            every = self.kind == "SHORTEST"
            found = (trail for start in starts for trail in self._shortest(reader, start, ends, every))
        return (self._path(reader, trail) for trail in found)

    def _edges(self, reader: GraphReader, vid: Any) -> list[Edge]:
        made = [reader.edge(vid, hop) for hop in self.over.hops(reader, vid)]
        if self.where is None:
            return made
        frame = Frame(reader.run)
        frame.reader, frame.src = reader, vid
        kept = []
        for edge in made:
            frame.edge, frame.dst = edge, edge.dst
            if self.where(frame) is True:
                kept.append(edge)
        return kept

    def _path(self, reader: GraphReader, trail: list[Edge]) -> Path:
        vids = [trail[0].src, *(edge.dst for edge in trail)]
        if self.with_prop:
            return Path([reader.vertex(vid) for vid in vids], trail)
        bare = [
            Edge(edge.src, edge.dst, edge.type, edge.name, edge.rank, self._shown(edge)) for edge in trail
        ]
        return Path([Vertex(vid) for vid in vids], bare)

    def _shown(self, edge: Edge) -> dict[str, Any]:
        return {name: edge.props.get(name, NULL) for name in self.shown.get(edge.name, ())}

    # ------------------------------------------------------------ all and noloop
    def _trails(self, reader: GraphReader, start: Any, ends: set[Any]) -> Iterator[list[Edge]]:
        """Depth first; only ways from which an end can still be reached in time are followed."""
        distances = self._distances(reader, ends)
        loops = self.kind == "ALL"
        trail: list[Edge] = []
        used: set[Any] = set() if loops else {start}

        def onwards(vid: Any) -> Iterator[list[Edge]]:
            for edge in self._edges(reader, vid):
                reader.run.tick()
                key = edge.key if loops else edge.dst
                left = self.max_steps - len(trail) - 1
                if key in used or distances.get(edge.dst, left + 1) > left:
                    continue
                used.add(key)
                trail.append(edge)
                if edge.dst in ends:
                    yield trail[:]
                if left:
                    yield from onwards(edge.dst)
                trail.pop()
                used.discard(key)

        if self.max_steps > 0:
            yield from onwards(start)

    def _distances(self, reader: GraphReader, ends: set[Any]) -> dict[Any, int]:
        """Steps from each vertex to the nearest end, walking edges backwards, filters aside."""
        over, types = self.over, self.over.types
        distances = dict.fromkeys(ends, 0)
        level = list(ends)
        for depth in range(1, self.max_steps):
            found: dict[Any, int] = {}
            for vid in level:
                hops = reader.hops(vid, types, out=False, all_types=over.all_types) if over.out else []
                if over.back:
                    hops = hops + reader.hops(vid, types, out=True, all_types=over.all_types)
                found.update((hop[2], depth) for hop in hops if hop[2] not in distances)
            distances.update(found)
            level = list(found)
        return distances

    # ------------------------------------------------------------ shortest
    def _shortest(
        self, reader: GraphReader, start: Any, ends: list[Any], every: bool
    ) -> Iterator[list[Edge]]:
        search = ShortestTrails(start, every=every, tick=reader.run.tick)
        return search.trails(lambda vid: self._edges(reader, vid), set(ends), self.max_steps)
