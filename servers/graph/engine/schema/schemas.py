"""CREATE, ALTER and DROP of tags and edge types. A change is seen by the next statement."""

from dataclasses import replace
from typing import Any

from servers.graph.engine.access.property_values import coerce
from servers.graph.engine.execution import Execution, Rows
from servers.graph.engine.expression_tree import is_constant, walk
from servers.graph.engine.plan import Context, Plan, alone
from servers.graph.engine.type_check import constant
from servers.graph.errors import ExecutionError, QueryError, SemanticError, Unsupported
from servers.graph.language import ddl_statements as d
from servers.graph.language import expressions as e
from servers.graph.storage.codec import to_stored
from servers.graph.storage.schema import PropDef, Schema, SchemaDef
from servers.graph.values.types import Null

TTL_TYPES = frozenset({"INT", "INT64", "TIMESTAMP"})


def plan_create_schema(statement: d.CreateSchema, context: Context) -> Plan:
    """Plan CREATE TAG or EDGE. Raises `SemanticError`, `ExecutionError` for properties that may not be."""
    store, kind = context.store, statement.kind
    props = tuple(_prop(item, at, context) for at, item in enumerate(statement.props))
    if len({prop.name for prop in props}) < len(props):
        raise SemanticError(f"Duplicate column name `{_repeated([prop.name for prop in props])}'")
    draft = _with_options(SchemaDef(kind, statement.name, 0, props, len(props)), statement.options, context)
    other = "EDGE" if kind == "TAG" else "TAG"

    def execute(run: Execution) -> Rows:
        schema = store.schema
        if statement.name in schema.of_kind(kind):
            if statement.if_not_exists:
                return []
            raise ExecutionError("Existed!")
        if statement.name in schema.of_kind(other):
            raise ExecutionError("Schema with same name exists")
        made = draft.changed(id=schema.next_id)
        store.define(_with(schema, [*schema.definitions(), made], schema.next_id + 1), run.deadline)
        return []

    return Plan(f"Create{kind.title()}", [], alone(store, execute), writes=True)


def _repeated(names: list[str]) -> str:
    return next(name for at, name in enumerate(names) if name in names[:at])


def _with(schema: Schema, definitions: list[SchemaDef], next_id: int) -> Schema:
    return Schema.of(definitions, list(schema.indexes.values()), next_id)


def _prop(item: d.Prop, position: int, context: Context) -> PropDef:
    if item.type == "GEOGRAPHY":
        raise Unsupported("geography")
    if item.type == "FIXED_STRING" and not item.length:
        raise SemanticError("Fixed string length must be greater than zero")
    nullable = item.nullable is not False
    prop = PropDef(item.name, item.type, position, item.length, nullable, None, item.comment)
    return replace(prop, default=_default(prop, item.default, context)) if item.default else prop


def _default(prop: PropDef, expr: e.Expr, context: Context) -> tuple[str, Any]:
    if not is_constant(expr):
        raise SemanticError(f"Wrong default value expression: `{expr.text()}'")
    try:
        value = coerce(prop, constant(expr, context.parameters))
    except QueryError:
        raise ExecutionError("Invalid param!") from None
    if any(isinstance(part, e.Call) and not part.arguments for part in walk(expr)):
        return "expression", expr.text()
    return "value", None if isinstance(value, Null) else to_stored(value)


def _with_options(item: SchemaDef, options: d.Options, context: Context) -> SchemaDef:
    changes: dict[str, Any] = {}
    if "ttl_duration" in options:
        duration = constant(options["ttl_duration"], context.parameters)
        if type(duration) is not int:
            raise SemanticError("Duration value type error")
        changes["ttl_duration"] = max(0, duration)
    if "ttl_col" in options:
        changes["ttl_col"] = _ttl_column(item, options["ttl_col"])
    if changes.get("ttl_duration") and not (changes.get("ttl_col", item.ttl_col)):
        raise ExecutionError("Implicit ttl_col not support")
    if "comment" in options:
        changes["comment"] = options["comment"]
    return item.changed(**changes) if changes else item


def _ttl_column(item: SchemaDef, name: str) -> str | None:
    if not name:
        return None
    prop = item.by_name.get(name)
    if prop is None:
        raise SemanticError(f"Ttl column `{name}' not exist in schema")
    if prop.type not in TTL_TYPES:
        raise ExecutionError(f"Ttl column type illegal: `{name}'")
    return name


def plan_alter_schema(statement: d.AlterSchema, context: Context) -> Plan:
    """Plan ALTER TAG or EDGE: properties added, changed, dropped, and TTL.

    It runs into `ExecutionError`, `SemanticError`.
    """
    store, kind = context.store, statement.kind

    def execute(run: Execution) -> Rows:
        schema = store.schema
        found = schema.of_kind(kind).get(statement.name)
        if found is None:
            raise ExecutionError(f"{kind.title()}NotFound: {kind.title()} not existed!")
        changed = found
        for verb, items in statement.changes:
            changed = _CHANGES[verb](changed, items, schema, context)
        changed = _with_options(changed, statement.options, context)
        timed = changed.ttl_col is not None or "ttl_col" in statement.options
        if timed and schema.indexes_of(kind, found.name) and statement.options:
            raise ExecutionError("Unsupported!")
        rest = [item for item in schema.definitions() if item is not found]
        store.define(_with(schema, [*rest, changed], schema.next_id), run.deadline)
        return []

    return Plan(f"Alter{kind.title()}", [], alone(store, execute), writes=True)


def _add(item: SchemaDef, props: list[d.Prop], _schema: Schema, context: Context) -> SchemaDef:
    made = list(item.props)
    for prop in props:
        if any(prop.name == known.name for known in made):
            raise ExecutionError("Existed!")
        if prop.name in item.dropped:
            raise ExecutionError("Schema exisited before!")
        _need_default(prop)
        position = item.next_position + len(made) - len(item.props)
        made.append(replace(_prop(prop, position, context), late=True))
    return item.changed(props=tuple(made), next_position=item.next_position + len(props))


def _need_default(prop: d.Prop) -> None:
    if prop.nullable is False and prop.default is None:
        raise SemanticError(f"Column `{prop.name}' must have a default value if it's not nullable")


def _change(item: SchemaDef, props: list[d.Prop], schema: Schema, context: Context) -> SchemaDef:
    made = {prop.name: prop for prop in item.props}
    for prop in props:
        known = made.get(prop.name)
        if known is None:
            raise ExecutionError(f"{item.kind.title()}PropNotFound: {item.kind.title()} prop not existed!")
        _refuse_indexed(item, prop.name, schema)
        _need_default(prop)
        made[prop.name] = replace(_prop(prop, known.position, context), late=known.late)
    return item.changed(props=tuple(made.values()))


def _drop(item: SchemaDef, names: list[str], schema: Schema, _context: Context) -> SchemaDef:
    for name in names:
        if name not in item.by_name:
            raise ExecutionError(f"{item.kind.title()} prop not existed!")
        _refuse_indexed(item, name, schema)
    kept = tuple(prop for prop in item.props if prop.name not in names)
    ttl = None if item.ttl_col in names else item.ttl_col
    return item.changed(props=kept, ttl_col=ttl, dropped=(*item.dropped, *names))


def _refuse_indexed(item: SchemaDef, name: str, schema: Schema) -> None:
    for index in schema.indexes_of(item.kind, item.name):
        if any(field == name for field, _ in index.fields):
            raise ExecutionError("Related index exists, please drop index first")


_CHANGES: dict[str, Any] = {"add": _add, "change": _change, "drop": _drop}


def plan_drop_schema(statement: d.DropSchema, context: Context) -> Plan:
    """Plan DROP TAG or EDGE with its rows. It runs into `ExecutionError` while an index of it exists."""
    store, kind = context.store, statement.kind

    def execute(run: Execution) -> Rows:
        schema = store.schema
        found = schema.of_kind(kind).get(statement.name)
        if found is None:
            if statement.if_exists:
                return []
            raise ExecutionError(f"{kind.title()}NotFound: {kind.title()} not existed!")
        if schema.indexes_of(kind, found.name):
            raise ExecutionError("Related index exists, please drop index first")
        rest = [item for item in schema.definitions() if item is not found]
        clean = f"DELETE FROM {'v WHERE tag' if kind == 'TAG' else 'e WHERE type'} = {found.id}"
        store.define(_with(schema, rest, schema.next_id), run.deadline, [clean])
        return []

    return Plan(f"Drop{kind.title()}", [], alone(store, execute), writes=True)
