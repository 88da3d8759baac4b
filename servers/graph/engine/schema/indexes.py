"""CREATE, DROP and REBUILD of tag and edge indexes, and SUBMIT JOB.

Each is an index of SQLite, so it covers the rows that were there at once.
"""

from dataclasses import replace

from servers.graph.engine.execution import Execution, Rows
from servers.graph.engine.plan import Context, Plan, alone
from servers.graph.errors import ExecutionError, SemanticError
from servers.graph.language import ddl_statements as d
from servers.graph.storage.codec import column_sql
from servers.graph.storage.schema import IndexDef, Schema, SchemaDef

TABLES = {"TAG": ("v", "tag", "vid"), "EDGE": ("e", "type", "src")}


def index_sql(schema: Schema, index: IndexDef) -> str:
    """The CREATE INDEX statement of SQLite for an index of the schema."""
    definition = schema.of_kind(index.kind)[index.owner]
    table, kind, key = TABLES[index.kind]
    columns = ", ".join(column_sql(definition, name) for name, _ in index.fields) or key
    return f"CREATE INDEX i{index.id} ON {table} ({columns}) WHERE {kind} = {definition.id}"


def plan_create_index(statement: d.CreateIndex, context: Context) -> Plan:
    """Plan CREATE TAG INDEX or EDGE INDEX.

    It runs into `ExecutionError` when it is there or its fields do not fit.
    """
    store = context.store

    def execute(run: Execution) -> Rows:
        schema = store.schema
        if (statement.kind, statement.name) in schema.indexes:
            if statement.if_not_exists:
                return []
            raise ExecutionError("Existed!")
        if statement.if_not_exists and _same_fields(statement, schema):
            return []
        made = _index(statement, schema)
        changed = replace(
            schema, indexes={**schema.indexes, (made.kind, made.name): made}, next_id=made.id + 1
        )
        store.define(changed, run.deadline, [index_sql(changed, made)])
        return []

    return Plan("CreateIndex", [], alone(store, execute), writes=True)


def _index(statement: d.CreateIndex, schema: Schema) -> IndexDef:
    definition = schema.of_kind(statement.kind).get(statement.owner)
    if definition is None:
        raise ExecutionError(f"{statement.kind.title()}NotFound: {statement.kind.title()} not existed!")
    names = [name for name, _ in statement.fields]
    if len(set(names)) < len(names):
        raise ExecutionError("Conflict!")
    for name, length in statement.fields:
        _check_field(definition, name, length)
    if _same_fields(statement, schema):
        raise ExecutionError("Existed!")
    fields = tuple(statement.fields)
    return IndexDef(
        statement.kind, statement.name, schema.next_id, definition.name, fields, statement.comment
    )


def _same_fields(statement: d.CreateIndex, schema: Schema) -> bool:
    """Whether another index of the tag or edge type is over the same properties."""
    names = [name for name, _ in statement.fields]
    known = schema.indexes_of(statement.kind, statement.owner)
    return any([name for name, _ in item.fields] == names for item in known)


def _check_field(definition: SchemaDef, name: str, length: int | None) -> None:
    prop = definition.by_name.get(name)
    if prop is None:
        where = "Tag" if definition.kind == "TAG" else "Edge"
        raise ExecutionError(f"{where}PropNotFound: {where} prop not existed!")
    if prop.type == "DURATION" or prop.type.startswith(("LIST_", "SET_")):
        raise ExecutionError("Invalid param!")
    if prop.type == "STRING" and length is None:
        raise ExecutionError("Invalid param!")
    if length is not None and (prop.type not in ("STRING", "FIXED_STRING") or length < 1):
        raise ExecutionError("Invalid param!")


def plan_drop_index(statement: d.DropIndex, context: Context) -> Plan:
    """Plan DROP INDEX. It runs into `ExecutionError` when there is none."""
    store = context.store

    def execute(run: Execution) -> Rows:
        found = store.schema.indexes.get((statement.kind, statement.name))
        if found is None:
            if statement.if_exists:
                return []
            raise ExecutionError("IndexNotFound: Index not existed!")
        kept = {key: item for key, item in store.schema.indexes.items() if item is not found}
        changed = replace(store.schema, indexes=kept)
        store.define(changed, run.deadline, [f"DROP INDEX IF EXISTS i{found.id}"])
        return []

    return Plan("DropIndex", [], alone(store, execute), writes=True)


def plan_rebuild(statement: d.RebuildIndex, context: Context) -> Plan:
    """Plan REBUILD INDEX: SQLite's REINDEX, done when the statement ends. The row is its job's number."""
    store, jobs, kind = context.store, context.administration, statement.kind
    for name in statement.names:
        if (kind, name) not in store.schema.indexes:
            raise SemanticError("IndexNotFound: Index not existed!")
    rebuilt = ",".join(statement.names) or f"all_{kind.lower()}_indexes"

    def execute(run: Execution) -> Rows:
        for (of, name), found in store.schema.indexes.items():
            if of == kind and name in (statement.names or (name,)):
                with store.write(run.deadline) as connection:
                    connection.execute(f"REINDEX i{found.id}")
        return [[jobs.finished_job(f"REBUILD_{kind}_INDEX", store.name, rebuilt)]]

    return Plan("SubmitJob", ["New Job Id"], execute, ["INT"], writes=True)


def plan_job(statement: d.SubmitJob, context: Context) -> Plan:
    """Plan SUBMIT JOB: nothing to do here, so it is over at once. The row is its number.

    Raises `SemanticError`.
    """
    space, jobs = context.space, context.administration
    if space is None:
        raise SemanticError("Space was not chosen.")
    name = "_".join(statement.words).upper()

    def execute(run: Execution) -> Rows:
        if name == "COMPACT":
            with context.store.write(run.deadline):
                pass
        return [[jobs.finished_job(name, space)]]

    return Plan("SubmitJob", ["New Job Id"], execute, ["INT"], writes=True)
