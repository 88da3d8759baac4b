"""LOOKUP ON: an index scan of a tag or an edge type with a condition; it needs an index to exist."""

from collections.abc import Iterator
from typing import Any

from servers.graph.engine.access.element_scope import (
    EdgeScope,
    VertexScope,
    column_text,
    property_type,
    refuse_refs,
)
from servers.graph.engine.access.predicate_pushdown import MIRRORED, Condition, conjuncts, where_sql
from servers.graph.engine.access.reader import GraphReader
from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.execution import Execution, Rows
from servers.graph.engine.expression_tree import has_aggregate, is_constant, rewrite, walk
from servers.graph.engine.frame import Frame
from servers.graph.engine.plan import Context, Plan
from servers.graph.engine.scope import UNKNOWN
from servers.graph.engine.statements.projection import compile_projection
from servers.graph.engine.type_check import checked_filter, constant, deduce, fold
from servers.graph.errors import ExecutionError, SemanticError
from servers.graph.language import expressions as e
from servers.graph.language import statements as s
from servers.graph.storage.schema import SchemaDef


def plan_lookup(statement: s.Lookup, context: Context) -> Plan:
    """Plan LOOKUP. Raises `SemanticError`; it runs into `ExecutionError` without an index."""
    schema = context.schema
    definition = schema.tags.get(statement.name) or schema.edges.get(statement.name)
    if definition is None:
        raise SemanticError(f"No schema found for `{statement.name}'")
    on_tag = definition.kind == "TAG"
    scope = _scope(definition, context)
    where = _where(statement.where, definition, context) if statement.where else None
    if statement.output is None:
        raise SemanticError("Missing yield clause.")
    for column in statement.output.columns:
        refuse_refs(column.expr, ("VERTEX",) if on_tag else ("EDGE",), column_text(column))
        if has_aggregate(column.expr):
            raise SemanticError(f"`{column.expr.text()}', not support aggregate function in lookup sentence.")
    test = compile_expr(checked_filter(where, scope), scope) if where else None
    output = compile_projection(statement.output.columns, scope, distinct=statement.output.distinct)
    conditions = _conditions(where, definition, context)
    scan = _scan_vertices if on_tag else _scan_edges
    store = context.store

    def execute(run: Execution) -> Rows:
        if not store.schema.indexes_of(definition.kind, definition.name):
            raise ExecutionError("There is no index to use at runtime")
        with store.read(run.deadline) as connection:
            reader = GraphReader(run, store, connection)
            return output.rows(scan(reader, definition, conditions, test), run)

    return Plan("IndexScan", output.names, execute, output.types)


def _scope(definition: SchemaDef, context: Context) -> VertexScope | EdgeScope:
    if definition.kind == "TAG":
        scope = VertexScope(parameters=context.parameters)
        scope.bind(context)
        scope.tags = {definition.name: definition}
        return scope
    made = EdgeScope(parameters=context.parameters)
    made.bind(context, {definition.name: definition})
    return made


def _with_parameters(node: e.Expr, context: Context) -> e.Expr:
    """The expression with parameters' values; an index is sought by them."""

    def known(part: e.Expr) -> e.Expr | None:
        match part:
            case e.Variable(name=name) | e.Attr(left=e.Variable(name=name)) if name in context.parameters:
                return e.Const(constant(part, context.parameters))
        return None

    return fold(rewrite(node, known))


def _where(node: e.Expr, definition: SchemaDef, context: Context) -> e.Expr:
    node = _with_parameters(node, context)
    for part in walk(node):
        if isinstance(part, e.Attr) and isinstance(part.left, e.Ref):
            raise SemanticError(f"'{part.text()}' is not an evaluable expression.")
        if isinstance(part, e.Ref | e.Star):
            raise SemanticError(f"Expression {node.text()} not supported yet")
        if isinstance(part, e.Attr) and isinstance(part.left, e.Label):
            _check_owner(part, definition)
    _check_part(node, definition, context)
    return node


def _check_owner(part: e.Attr, definition: SchemaDef) -> None:
    assert isinstance(part.left, e.Label)
    if part.left.name != definition.name:
        raise SemanticError(f"Schema name error: {part.left.name}")
    if part.name not in definition.by_name and not part.name.startswith("_"):
        raise SemanticError(f"Invalid column: {part.name}")


def _check_part(part: e.Expr, definition: SchemaDef, context: Context) -> None:
    """Only comparisons of a property with a constant, joined by AND and OR, can use an index."""
    match part:
        case e.Binary(op="AND" | "OR", left=left, right=right):
            _check_part(left, definition, context)
            _check_part(right, definition, context)
        case e.Binary(op=op, left=left, right=right) if op not in "+-*/%" and op != "XOR":
            prop, value = (left, right) if isinstance(left, e.Attr) else (right, left)
            if not isinstance(prop, e.Attr) or not is_constant(value) or isinstance(value, e.Attr):
                raise SemanticError(f"Expression {part.text()} not supported yet")
            if op in MIRRORED or op == "!=":
                _check_value(prop, value, definition, context)
        case _:
            raise SemanticError(f"Expression {part.text()} not supported yet")


def _check_value(prop: e.Attr, value: e.Expr, definition: SchemaDef, context: Context) -> None:
    wanted = property_type(definition, prop.name)
    given = deduce(value, _scope(definition, context))
    numbers = {"INT", "FLOAT"}
    if UNKNOWN in (wanted, given) or given == wanted or {given, wanted} <= numbers:
        return
    if definition.by_name[prop.name].type == "TIMESTAMP" and given == "STRING":
        return
    raise SemanticError(f"Column type error : {prop.name}")


def _conditions(where: e.Expr | None, definition: SchemaDef, context: Context) -> list[tuple[Condition, Any]]:
    made: list[tuple[Condition, Any]] = []
    for part in conjuncts(where):
        match part:
            case e.Binary(op=op, left=e.Attr(left=e.Label(), name=name), right=value) if op in MIRRORED:
                found = Condition(name, op, value)
            case e.Binary(op=op, left=value, right=e.Attr(left=e.Label(), name=name)) if op in MIRRORED:
                found = Condition(name, MIRRORED[op], value)
            case _:
                continue
        if found.prop in definition.by_name and is_constant(found.value):
            made.append((found, constant(found.value, context.parameters)))
    return made


def _scan_vertices(
    reader: GraphReader, definition: SchemaDef, conditions: list[tuple[Condition, Any]], test: Evaluate | None
) -> Iterator[Frame]:
    where, bound = where_sql(definition, conditions)
    frame = Frame(reader.run)
    frame.reader = reader
    for vid in reader.vertices_with_tag(definition.id, where, bound):
        if definition.name not in (reader.tags(vid) or ()):
            continue
        frame.vid = vid
        if test is None or test(frame) is True:
            yield frame


def _scan_edges(
    reader: GraphReader, definition: SchemaDef, conditions: list[tuple[Condition, Any]], test: Evaluate | None
) -> Iterator[Frame]:
    where, bound = where_sql(definition, conditions)
    frame = Frame(reader.run)
    frame.reader = reader
    for edge in reader.edges_of_type(definition, where, bound):
        frame.edge = edge
        if test is None or test(frame) is True:
            yield frame
