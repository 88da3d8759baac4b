"""GET SUBGRAPH: the vertices and edges around some vertices, a row a step."""

from typing import Any

from servers.graph.engine.access.element_scope import TraverseScope
from servers.graph.engine.access.reader import GraphReader, Hop
from servers.graph.engine.access.start_vertices import StartVertices
from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.execution import Execution, Rows
from servers.graph.engine.expression_tree import walk
from servers.graph.engine.frame import Frame
from servers.graph.engine.plan import Context, Plan
from servers.graph.engine.type_check import checked_filter
from servers.graph.errors import ExecutionError, SemanticError
from servers.graph.language import expressions as e
from servers.graph.language import statements as s
from servers.graph.values.types import Edge, Vertex


def plan_subgraph(statement: s.Subgraph, context: Context) -> Plan:
    """Plan GET SUBGRAPH. Raises `SemanticError`."""
    if statement.output is None:
        raise SemanticError("Missing yield clause.")
    store, starts = context.store, StartVertices(statement.starts, context)
    names = [column.name for column in statement.output.columns]
    wanted = []
    for column in statement.output.columns:
        if not isinstance(column.expr, e.Ref) or column.expr.what not in ("VERTICES", "EDGES"):
            raise SemanticError("Get Subgraph only support YIELD vertices OR edges")
        wanted.append(column.expr.what)
    directions = _directions(statement, context)
    where = _where(statement, context)
    steps = statement.steps.high if statement.steps else 1
    search = _SubgraphSearch(directions, where, steps, statement.with_prop)
    search.shown = filtered_props(statement.where)

    def execute(run: Execution) -> Rows:
        with store.read(run.deadline) as connection:
            layers = search.layers(GraphReader(run, store, connection), starts.vids(run))
        rows = [[vertices if what == "VERTICES" else edges for what in wanted] for vertices, edges in layers]
        return [row for row in rows if any(row)]

    return Plan("Subgraph", names, execute, ["LIST"] * len(names))


def _directions(statement: s.Subgraph, context: Context) -> tuple[list[int], list[int]]:
    """(types followed outwards, types followed inwards)"""
    edges = context.schema.edges
    if not statement.edges:
        every = [item.id for item in edges.values()]
        return every, every
    out: list[int] = []
    back: list[int] = []
    for word, names in statement.edges:
        for name in names:
            if name not in edges:
                raise ExecutionError(f"EdgeNotFound: EdgeName `{name}`")
            if word in ("OUT", "BOTH"):
                out.append(edges[name].id)
            if word in ("IN", "BOTH"):
                back.append(edges[name].id)
    return list(dict.fromkeys(out)), list(dict.fromkeys(back))


def _where(statement: s.Subgraph, context: Context) -> Evaluate | None:
    if statement.where is None:
        return None
    scope = TraverseScope(parameters=context.parameters)
    scope.bind(context, dict(context.schema.edges))
    followed = list(dict.fromkeys(name for _, names in statement.edges for name in names))
    for name in filtered_props(statement.where):
        if followed and name in scope.edges and name not in followed:
            raise SemanticError(
                f'Edge type "{name}" in filter "{statement.where.text()}" is not in the edge types '
                f"[{','.join(followed)}]"
            )
    return compile_expr(checked_filter(statement.where, scope), scope)


def filtered_props(where: e.Expr | None) -> dict[str, set[str]]:
    """The properties that a filter reads, by edge type: the edges come with these in any case."""
    found: dict[str, set[str]] = {}
    for part in walk(where):
        match part:
            case e.Attr(left=e.Label(name=owner), name=name) if not name.startswith("_"):
                found.setdefault(owner, set()).add(name)
    return found


class _SubgraphSearch:
    """A breadth-first search, ready to run. `directions` are types followed (outwards, inwards).

    Without `with_prop` edges have only the properties in `shown`, by edge type.
    """

    def __init__(
        self,
        directions: tuple[list[int], list[int]],
        where: Evaluate | None,
        steps: int,
        with_prop: bool,
    ) -> None:
        self.out, self.back = directions
        self.where, self.steps, self.with_prop = where, steps, with_prop
        self.shown: dict[str, set[str]] = {}

    def layers(self, reader: GraphReader, starts: list[Any]) -> list[tuple[list[Any], list[Any]]]:
        """(vertices, edges) a step; the last has only edges between vertices that are in."""
        seen, known = dict.fromkeys(starts), set()
        level = starts
        made: list[tuple[list[Any], list[Any]]] = []
        for step in range(self.steps + 1):
            if not level and step:
                break
            following: dict[Any, None] = {}
            edges: list[Edge] = []
            for vid in level:
                for edge in self._edges(reader, vid):
                    if edge.key in known or (step == self.steps and edge.dst not in seen):
                        continue
                    known.add(edge.key)
                    edges.append(self._as_stored(edge))
                    if edge.dst not in seen:
                        following[edge.dst] = None
            if self.steps == 0:
                edges = []
            made.append(([self._vertex(reader, vid) for vid in level], edges))
            seen.update(following)
            level = list(following)
        return made

    def _hops(self, reader: GraphReader, vid: Any) -> list[Hop]:
        found = reader.hops(vid, self.out, out=True, all_types=False)
        return found + reader.hops(vid, self.back, out=False, all_types=False)

    def _edges(self, reader: GraphReader, vid: Any) -> list[Edge]:
        frame = Frame(reader.run)
        frame.reader, frame.src = reader, vid
        kept = []
        for hop in self._hops(reader, vid):
            reader.run.tick()
            edge = reader.edge(vid, hop)
            frame.edge, frame.dst = edge, edge.dst
            if self.where is None or self.where(frame) is not False:
                kept.append(edge)
        return kept

    def _as_stored(self, edge: Edge) -> Edge:
        """As stored, whichever way it was found."""
        shown = self.shown.get(edge.name, ())
        props = edge.props if self.with_prop else {name: edge.props[name] for name in shown}
        src, kind, rank, dst = edge.key
        return Edge(src, dst, kind, edge.name, rank, props)

    def _vertex(self, reader: GraphReader, vid: Any) -> Vertex:
        return reader.vertex(vid) if self.with_prop else Vertex(vid)
