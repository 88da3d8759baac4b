"""Spaces: USE, CREATE, DROP, CLEAR, and copies of a space's schema."""

from typing import Any

from servers.graph.engine.frame import Rows, Run
from servers.graph.engine.plan import Context, Plan
from servers.graph.engine.schema.indexes import index_sql
from servers.graph.errors import ExecutionError, SemanticError
from servers.graph.language import definitions as d

DEFAULTS: dict[str, Any] = {
    "partition_num": 100,
    "replica_factor": 1,
    "charset": "utf8",
    "collate": "utf8_bin",
    "comment": None,
}
LONGEST_VID = 32_767


def plan_use(statement: d.Use, context: Context) -> Plan:
    name = statement.space
    if context.catalog.info(name) is None:
        raise SemanticError(f"SpaceNotFound: SpaceName `{name}`")
    context.space = name

    def execute(_: Run) -> Rows:
        context.catalog.store(name)
        context.administration.use(name)
        return []

    return Plan("SwitchSpace", [], execute)


def plan_create_space(statement: d.CreateSpace, context: Context) -> Plan:
    options = _options(statement.options)

    def execute(_: Run) -> Rows:
        if context.catalog.info(statement.name) and statement.if_not_exists:
            return []
        context.catalog.create(statement.name, options)
        return []

    return Plan("CreateSpace", [], execute, writes=True)


def _options(given: dict[str, Any]) -> dict[str, Any]:
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
    elif not 1 <= length <= LONGEST_VID:
        raise SemanticError(f"Invalid vid size {length}: must be between 1 and {LONGEST_VID}")
    return {**DEFAULTS, **given, "vid_type": kind, "vid_length": length}


def plan_create_space_as(statement: d.CreateSpaceAs, context: Context) -> Plan:
    catalog = context.catalog

    def execute(run: Run) -> Rows:
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
    def execute(_: Run) -> Rows:
        if context.catalog.info(statement.name) is None and statement.if_exists:
            return []
        context.catalog.drop(statement.name)
        context.administration.space_dropped(statement.name)
        return []

    return Plan("DropSpace", [], execute, writes=True)


def plan_clear_space(statement: d.ClearSpace, context: Context) -> Plan:
    def execute(run: Run) -> Rows:
        if context.catalog.info(statement.name) is None:
            if statement.if_exists:
                return []
            raise ExecutionError("SpaceNotFound: Space not existed!")
        with context.catalog.store(statement.name).write(run.deadline) as connection:
            connection.execute("DELETE FROM v")
            connection.execute("DELETE FROM e")
        return []

    return Plan("ClearSpace", [], execute, writes=True)
