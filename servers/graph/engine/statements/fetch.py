"""FETCH PROP ON: vertices and edges by their keys."""

from collections.abc import Iterator
from typing import Any

from servers.graph.engine.access.element_scope import EdgeScope, VertexScope, column_text, refuse_refs
from servers.graph.engine.access.reader import GraphReader
from servers.graph.engine.access.start_vertices import StartVertices, check_vid, is_column, is_vid
from servers.graph.engine.evaluate import compile_expr
from servers.graph.engine.execution import Execution, Rows
from servers.graph.engine.expression_tree import inputs, walk
from servers.graph.engine.frame import Frame
from servers.graph.engine.plan import Context, Plan, rows_of, scope_of
from servers.graph.engine.scope import Scope
from servers.graph.engine.statements.projection import compile_projection
from servers.graph.engine.type_check import constant
from servers.graph.errors import ExecutionError, SemanticError
from servers.graph.language import expressions as e
from servers.graph.language import statements as s
from servers.graph.values.text import text_of_constant
from servers.graph.values.types import Empty, Null, Tags, Vertex, type_name


def plan_fetch_vertices(statement: s.FetchVertices, context: Context) -> Plan:
    """Plan FETCH PROP ON tags or `*`. Raises `SemanticError`."""
    store = context.store
    if statement.tags is None:
        tags = dict(store.schema.tags)
    else:
        tags = {name: _tag(context, name) for name in dict.fromkeys(statement.tags)}
    if statement.output is None:
        raise SemanticError("Missing yield clause.")
    starts = StartVertices(statement.vids, context)
    scope = VertexScope(parameters=context.parameters)
    scope.bind(context)
    scope.tags = tags
    for column in statement.output.columns:
        _refuse_ends(column.expr)
        refuse_refs(column.expr, ("VERTEX",), column_text(column))
    output = compile_projection(statement.output.columns, scope, distinct=statement.output.distinct)
    wanted = None if statement.tags is None else frozenset(tags)

    def frames(reader: GraphReader, run: Execution) -> Iterator[Frame]:
        frame = Frame(run)
        view = frame.reader = _View(reader, wanted)
        for vid in starts.all_vids(run):
            if view.tags(vid) is not None:
                frame.vid = vid
                yield frame

    def execute(run: Execution) -> Rows:
        with store.read(run.deadline) as connection:
            return output.rows(frames(GraphReader(run, store, connection), run), run)

    return Plan("GetVertices", output.names, execute, output.types)


class _View:
    """Vertices as FETCH sees them: only the tags asked for."""

    def __init__(self, reader: GraphReader, wanted: frozenset[str] | None) -> None:
        self._reader, self._wanted = reader, wanted

    def tags(self, vid: Any) -> Tags | None:
        """Properties by tag, only of the tags asked for; None when there is no such vertex."""
        found, wanted = self._reader.tags(vid), self._wanted
        if found is None or wanted is None:
            return found
        return {name: props for name, props in found.items() if name in wanted}

    def vertex(self, vid: Any) -> Any:
        """The vertex with those tags."""
        return Vertex(vid, self.tags)


def _refuse_ends(expr: e.Expr) -> None:
    if any(isinstance(part, e.Ref) and part.what in ("$^", "$$") for part in walk(expr)):
        raise SemanticError("unsupported src/dst property expression in yield.")


def _refuse_tags(expr: e.Expr, context: Context) -> None:
    for part in walk(expr):
        match part:
            case e.Attr(left=e.Attr(left=e.Ref(what="$^" | "$$"), name=tag)) if (
                tag not in context.schema.tags
            ):
                raise ExecutionError(f"TagNotFound: TagName `{tag}`")


def _tag(context: Context, name: str) -> Any:
    found = context.schema.tags.get(name)
    if found is None:
        raise ExecutionError(f"TagNotFound: TagName `{name}`")
    return found


def plan_fetch_edges(statement: s.FetchEdges, context: Context) -> Plan:
    """Plan FETCH PROP ON an edge type. Raises `SemanticError`."""
    if statement.output is None:
        raise SemanticError("Missing yield clause.")
    if len(statement.names) > 1:
        raise SemanticError("only allow fetch on one edge")
    store, name = context.store, statement.names[0]
    definition = store.schema.edges.get(name)
    if definition is None:
        raise ExecutionError(f"EdgeNotFound: EdgeName `{name}`")
    keys = EdgeKeys(statement.keys, context)
    scope = EdgeScope(parameters=context.parameters).bind(context, {name: definition})
    for column in statement.output.columns:
        _refuse_tags(column.expr, context)
        refuse_refs(column.expr, ("EDGE",), column_text(column))
    output = compile_projection(statement.output.columns, scope, distinct=statement.output.distinct)

    def frames(reader: GraphReader, run: Execution) -> Iterator[Frame]:
        frame = Frame(run)
        frame.reader = reader
        for src, rank, dst in keys.read(run):
            edge = reader.edge_by_key(src, definition.id, rank, dst)
            if edge is not None:
                frame.edge = edge
                yield frame

    def execute(run: Execution) -> Rows:
        with store.read(run.deadline) as connection:
            return output.rows(frames(GraphReader(run, store, connection), run), run)

    return Plan("GetEdges", output.names, execute, output.types)


class EdgeKeys:
    """Edge keys, from constants or from the rows of a pipe or a `$variable`. Raises `SemanticError`."""

    def __init__(self, keys: list[s.EdgeKey], context: Context) -> None:
        self._store = context.store
        exprs = [part for key in keys for part in (key.src, key.dst, key.rank) if part is not None]
        self.source, shape = context.source(exprs)
        scope = scope_of(context, self.source, shape)
        if self.source is None:
            self._constants = [self._constant(key, context) for key in keys]
        else:
            self._compiled = [self._compile(key, scope) for key in keys]

    def _constant(self, key: s.EdgeKey, context: Context) -> tuple[Any, Any, Any]:
        src, dst = constant(key.src, context.parameters), constant(key.dst, context.parameters)
        check_vid(src, key.src, self._store)
        check_vid(dst, key.dst, self._store)
        return src, constant(key.rank, context.parameters) if key.rank else 0, dst

    def _compile(self, key: s.EdgeKey, scope: Scope) -> Any:
        for part in (key.src, key.dst):
            if inputs(part)[0] and not is_column(part):
                raise SemanticError(f"`{part.text()}' is not an evaluable expression.")
        rank = compile_expr(key.rank or e.Const(0), scope)
        return compile_expr(key.src, scope), rank, compile_expr(key.dst, scope)

    def read(self, run: Execution) -> list[tuple[Any, Any, Any]]:
        """`(src, rank, dst)` of each key; those with a NULL are left out. Raises `ExecutionError`."""
        if self.source is None:
            return self._constants
        frame, made = Frame(run), []
        for row in rows_of(run, self.source):
            frame.row = row
            for parts in self._compiled:
                key = tuple(part(frame) for part in parts)
                if any(isinstance(part, Null | Empty) for part in key):
                    continue
                self._check(key)
                made.append(key)
        return made

    def _check(self, key: Any) -> None:
        for name, vid in (("srcId", key[0]), ("dstId", key[2])):
            if not is_vid(vid, self._store):
                raise ExecutionError(f"Wrong {name} type `{type_name(vid)}`, value `{text_of_constant(vid)}`")
