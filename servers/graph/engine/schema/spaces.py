"""USE, CREATE, DROP and CLEAR SPACE, and copies of a space's schema."""

from servers.graph.engine.execution import Execution, Rows
from servers.graph.engine.plan import Context, Plan
from servers.graph.engine.schema.indexes import index_sql
from servers.graph.errors import ExecutionError, SemanticError
from servers.graph.language import ddl_statements as d
from servers.graph.storage.catalog import SpaceOptions

MAX_VID_BYTES = 32_767


def plan_use(statement: d.Use, context: Context) -> Plan:
    """Plan USE; what follows in the request is planned in that space. Raises `SemanticError`."""
    name = statement.space
    if context.catalog.info(name) is None:
        raise SemanticError(f"SpaceNotFound: SpaceName `{name}`")
    context.space = name

    def execute(_: Execution) -> Rows:
        context.catalog.store(name)
        context.administration.use(name)
        return []

    return Plan("SwitchSpace", [], execute)


def plan_create_space(statement: d.CreateSpace, context: Context) -> Plan:
    """Plan CREATE SPACE. Raises `SemanticError` for options that may not be."""
    options = _options(statement.options)

    def execute(_: Execution) -> Rows:
        if context.catalog.info(statement.name) and statement.if_not_exists:
            return []
        context.catalog.create(statement.name, options)
        return []

    return Plan("CreateSpace", [], execute, writes=True)


def _options(given: d.Options) -> SpaceOptions:
    for name in ("partition_num", "replica_factor"):
        if given.get(name, 1) < 1:
            raise SemanticError(f"{name.title().replace('_', ' ')} value should be greater than zero")
    if given.get("charset", "utf8").lower() != "utf8":
        raise SemanticError(f"Charset not support: {given['charset']}")
    if given.get("collate", "utf8_bin").lower() != "utf8_bin":
        raise SemanticError(f"Collation not support: {given['collate']}")
    if "vid_type" not in given:
        raise SemanticError("space vid_type must be specified explicitly")
    kind, length = given["vid_type"]
    if kind in ("INT", "INT64"):
        kind, length = "INT64", 8
    elif kind != "FIXED_STRING":
        raise SemanticError("Only support FIXED_STRING or INT64 vid type.")
    elif not 1 <= length <= MAX_VID_BYTES:
        raise SemanticError(f"Invalid vid size {length}: must be between 1 and {MAX_VID_BYTES}")
    return {
        # A space is one file: more parts are remembered when asked for, and mean nothing.
        "partition_num": given.get("partition_num", 1),
        "replica_factor": given.get("replica_factor", 1),
        "charset": given.get("charset", "utf8"),
        "collate": given.get("collate", "utf8_bin"),
        "comment": given.get("comment"),
        "vid_type": kind,
        "vid_length": length,
    }


def plan_create_space_as(statement: d.CreateSpaceAs, context: Context) -> Plan:
    """Plan CREATE SPACE … AS: the schema and indexes of another, without its data."""
    catalog = context.catalog

    def execute(run: Execution) -> Rows:
        source = catalog.info(statement.source)
        if source is None:
            raise ExecutionError("SpaceNotFound: Space not existed!")
        if catalog.info(statement.name) and statement.if_not_exists:
            return []
        schema = catalog.store(statement.source).schema
        catalog.create(statement.name, source.options)
        store = catalog.store(statement.name)
        store.define(schema, run.deadline, [index_sql(schema, item) for item in schema.indexes.values()])
        return []

    return Plan("CreateSpaceAs", [], execute, writes=True)


def plan_drop_space(statement: d.DropSpace, context: Context) -> Plan:
    """Plan DROP SPACE: its file goes, and sessions in it are in none."""

    def execute(_: Execution) -> Rows:
        if context.catalog.info(statement.name) is None and statement.if_exists:
            return []
        context.catalog.drop(statement.name)
        context.administration.space_dropped(statement.name)
        return []

    return Plan("DropSpace", [], execute, writes=True)


def plan_clear_space(statement: d.ClearSpace, context: Context) -> Plan:
    """Plan CLEAR SPACE: all vertices and edges go, the schema stays."""

    def execute(run: Execution) -> Rows:
        if context.catalog.info(statement.name) is None:
            if statement.if_exists:
                return []
            raise ExecutionError("SpaceNotFound: Space not existed!")
        with context.catalog.store(statement.name).write(run.deadline) as connection:
            connection.execute("DELETE FROM v")
            connection.execute("DELETE FROM e")
        return []

    return Plan("ClearSpace", [], execute, writes=True)
