"""INSERT VERTEX and INSERT EDGE: whole batches, written in one transaction; the last row of a key wins."""

from collections.abc import Callable, Sequence
from typing import Any

from servers.graph.engine.access.property_values import PropertyEncoder
from servers.graph.engine.access.start_vertices import VID_TOO_LONG, is_storable_vid
from servers.graph.engine.execution import Execution, Rows
from servers.graph.engine.plan import Context, Plan
from servers.graph.engine.type_check import constant
from servers.graph.errors import ExecutionError, SemanticError, StorageError
from servers.graph.language import dml_statements as w
from servers.graph.language import expressions as e
from servers.graph.language import statements as s
from servers.graph.language.bulk_insert import LiteralBlock
from servers.graph.language.template import ExpressionTemplate
from servers.graph.storage.schema import SchemaDef
from servers.graph.storage.space import NO_TAG, SpaceStore
from servers.graph.values.types import Parameters

Bound = list[tuple[Any, ...]]


def evaluator(context: Context) -> Callable[[str], Any]:
    """A function that gives the value of a default's text."""

    def evaluate(text: str) -> Any:
        statement = context.parse(f"YIELD {text}")[0]
        assert isinstance(statement, s.YieldSentence)
        return constant(statement.output.columns[0].expr)

    return evaluate


def value_of(expr: e.Expr, parameters: Parameters) -> Any:
    """The value of a literal or of an expression that needs no row."""
    return expr.value if type(expr) is e.Const else constant(expr, parameters)


def plan_insert_vertices(statement: w.InsertVertices, context: Context) -> Plan:
    """Plan INSERT VERTEX.

    Raises `SemanticError`; it runs into `ExecutionError`, `StorageError` for values.
    """
    store, parts, width = context.store, list[tuple[int, PropertyEncoder, int, int]](), 0
    for name, props in statement.tags:
        definition = _schema(context, "TAG", name)
        names = _names(definition, props)
        parts.append(
            (definition.id, PropertyEncoder(definition, names, evaluator(context)), width, len(names))
        )
        width += len(names)
    if len({name for name, _ in statement.tags}) < len(statement.tags):
        raise SemanticError("Insert duplicate tags is not allowed")
    for _, values in statement.rows:
        if len(values) != width:
            raise SemanticError("Column count doesn't match value count.")

    def make() -> Bound:
        keys, *columns = columns_of([[key, *exprs] for key, exprs in statement.rows], statement, context)
        check_vids(keys, store)
        if not parts:
            return [(vid, NO_TAG, "[]") for vid in keys]
        return [
            (vid, tag, text)
            for tag, encoder, start, count in parts
            for vid, text in zip(
                keys, encoder.encode_columns(columns[start : start + count], len(keys)), strict=True
            )
        ]

    verb = "INSERT OR IGNORE" if statement.if_not_exists else "INSERT OR REPLACE"
    return _writing("InsertVertices", store, f"{verb} INTO v VALUES (?, ?, ?)", make, statement.if_not_exists)


def plan_insert_edges(statement: w.InsertEdges, context: Context) -> Plan:
    """Plan INSERT EDGE. Raises `SemanticError`; it runs into `ExecutionError`, `StorageError` for values."""
    store = context.store
    definition = _schema(context, "EDGE", statement.edge)
    names = _names(definition, statement.props)
    encoder, number = PropertyEncoder(definition, names, evaluator(context)), definition.id
    for _, values in statement.rows:
        if len(values) != len(names):
            raise SemanticError("Column count doesn't match value count.")

    def make() -> Bound:
        items = [[key.src, key.dst, key.rank or e.Const(0), *exprs] for key, exprs in statement.rows]
        srcs, dsts, ranks, *columns = columns_of(items, statement, context)
        check_vids(srcs, store)
        check_vids(dsts, store)
        if set(map(type, ranks)) != {int}:
            raise SemanticError("Rank should be an integer")
        texts = encoder.encode_columns(columns, len(srcs))
        return list(zip(srcs, [number] * len(srcs), ranks, dsts, texts, strict=True))

    verb = "INSERT OR IGNORE" if statement.if_not_exists else "INSERT OR REPLACE"
    return _writing(
        "InsertEdges", store, f"{verb} INTO e VALUES (?, ?, ?, ?, ?)", make, statement.if_not_exists
    )


def columns_of(
    rows: list[list[e.Expr]], statement: w.InsertVertices | w.InsertEdges, context: Context
) -> list[Sequence[Any]]:
    """The rows' values, column by column; those of a literal block without evaluating row by row."""
    parameters, block = context.parameters, statement.block
    if block is None:
        return list(zip(*[[value_of(expr, parameters) for expr in row] for row in rows], strict=True))
    columns = [block.column(expr) for expr in rows[0]]
    made = list[Sequence[Any]]()
    for expr, column in zip(rows[0], columns, strict=True):
        made.append(_evaluated(expr, block, parameters) if column is None else column)
    return made


def _evaluated(expr: e.Expr, block: LiteralBlock, parameters: Parameters) -> list[Any]:
    template = ExpressionTemplate(expr)
    return [value_of(template.fill(block.row(at)), parameters) for at in range(block.count)]


def _writing(name: str, store: SpaceStore, sql: str, make: Callable[[], Bound], keep_first: bool) -> Plan:
    def execute(run: Execution) -> Rows:
        rows = make()
        run.check()
        if keep_first:
            # Within a batch, as against what is stored, the first row of a key stays.
            rows = list({row[:-1]: row for row in reversed(rows)}.values())
        with store.write(run.deadline) as connection:
            connection.executemany(sql, rows)
        return []

    return Plan(name, [], execute, writes=True)


def _schema(context: Context, kind: str, name: str) -> SchemaDef:
    found = context.store.schema.of_kind(kind).get(name)
    if found is None:
        raise SemanticError(f"No schema found for `{name}'")
    return found


def _names(definition: SchemaDef, props: list[str] | None) -> list[str]:
    if props is None:
        return [prop.name for prop in definition.props]
    for name in props:
        if name not in definition.by_name:
            raise SemanticError(f"Unknown column `{name}' in schema")
    if len(set(props)) < len(props):
        raise SemanticError("Duplicate column names in schema")
    return props


def check_vids(vids: Sequence[Any], store: SpaceStore) -> None:
    """Refuse vids of the wrong type or too long. Raises `ExecutionError`, `StorageError`."""
    integers = store.vid_type == "INT64"
    if set(map(type, vids)) != {int if integers else str}:
        raise ExecutionError(f"Vertex ID must be {'an integer' if integers else 'a string'}.")
    if not integers and any(
        len(vid) > store.vid_length // 4 and not is_storable_vid(vid, store) for vid in vids
    ):
        raise StorageError(VID_TOO_LONG)
