"""INSERT VERTEX and INSERT EDGE: whole batches, written in one transaction; the last row of a key wins."""

from collections.abc import Callable
from typing import Any

from servers.graph.engine.check import constant
from servers.graph.engine.frame import Rows, Run
from servers.graph.engine.places import fits, is_vid
from servers.graph.engine.plan import Context, Plan
from servers.graph.engine.props import Filler
from servers.graph.errors import ExecutionError, SemanticError, StorageError
from servers.graph.language import expressions as e
from servers.graph.language import statements as s
from servers.graph.storage.codec import encode
from servers.graph.storage.schema import SchemaDef
from servers.graph.storage.space import NO_TAG, SpaceStore

Bound = list[tuple[Any, ...]]


def evaluator(context: Context) -> Callable[[str], Any]:
    """Evaluates the text of a default."""

    def evaluate(text: str) -> Any:
        statement = context.parse(f"YIELD {text}")[0]
        assert isinstance(statement, s.YieldSentence)
        return constant(statement.output.columns[0].expr)

    return evaluate


def value_of(expr: e.Expr, parameters: dict[str, Any]) -> Any:
    return expr.value if type(expr) is e.Const else constant(expr, parameters)


def plan_insert_vertices(statement: s.InsertVertices, context: Context) -> Plan:
    store, parameters = context.store, context.parameters
    fillers, width = [], 0
    for name, props in statement.tags:
        definition = _schema(context, "TAG", name)
        names = _names(definition, props)
        fillers.append((definition.id, Filler(definition, names, evaluator(context)), width, len(names)))
        width += len(names)
    if len({name for name, _ in statement.tags}) < len(statement.tags):
        raise SemanticError("Insert duplicate tags is not allowed")
    for _, values in statement.rows:
        if len(values) != width:
            raise SemanticError("Column count doesn't match value count.")

    def make() -> Bound:
        rows: Bound = []
        for key, exprs in statement.rows:
            vid = _vid(key, store, parameters)
            values = [value_of(expr, parameters) for expr in exprs]
            rows += [
                (vid, tag, encode(filler.fill(values[start : start + count])))
                for tag, filler, start, count in fillers
            ]
            if not fillers:
                rows.append((vid, NO_TAG, "[]"))
        return rows

    verb = "INSERT OR IGNORE" if statement.if_not_exists else "INSERT OR REPLACE"
    return _writing("InsertVertices", store, f"{verb} INTO v VALUES (?, ?, ?)", make, statement.if_not_exists)


def plan_insert_edges(statement: s.InsertEdges, context: Context) -> Plan:
    store, parameters = context.store, context.parameters
    definition = _schema(context, "EDGE", statement.edge)
    names = _names(definition, statement.props)
    filler, number = Filler(definition, names, evaluator(context)), definition.id
    for _, values in statement.rows:
        if len(values) != len(names):
            raise SemanticError("Column count doesn't match value count.")

    def make() -> Bound:
        rows: Bound = []
        for key, exprs in statement.rows:
            src, dst = _vid(key.src, store, parameters), _vid(key.dst, store, parameters)
            rank = value_of(key.rank, parameters) if key.rank else 0
            if type(rank) is not int:
                raise SemanticError("Rank should be an integer")
            values = [value_of(expr, parameters) for expr in exprs]
            rows.append((src, number, rank, dst, encode(filler.fill(values))))
        return rows

    verb = "INSERT OR IGNORE" if statement.if_not_exists else "INSERT OR REPLACE"
    return _writing(
        "InsertEdges", store, f"{verb} INTO e VALUES (?, ?, ?, ?, ?)", make, statement.if_not_exists
    )


def _writing(name: str, store: SpaceStore, sql: str, make: Callable[[], Bound], keep_first: bool) -> Plan:
    def execute(run: Run) -> Rows:
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


def _vid(expr: e.Expr, store: SpaceStore, parameters: dict[str, Any]) -> Any:
    vid = value_of(expr, parameters)
    if not is_vid(vid, store):
        kind = "an integer" if store.vid_type == "INT64" else "a string"
        raise ExecutionError(f"Vertex ID must be {kind}.")
    if not fits(vid, store):
        raise StorageError(
            "The VID must be a 64-bit integer or a string fitting space vertex id length limit."
        )
    return vid
