"""SHOW and DESCRIBE: the catalogue, schemas, statistics and sessions as tables."""

from collections.abc import Callable
from typing import Any

from servers.graph.engine.execution import Execution, Rows
from servers.graph.engine.plan import Context, Plan
from servers.graph.errors import ExecutionError, PermissionDenied, SemanticError
from servers.graph.language import ddl_statements as d
from servers.graph.storage.catalog import SpaceInfo
from servers.graph.storage.codec import from_stored
from servers.graph.storage.schema import PropDef, SchemaDef
from servers.graph.values.text import text_of_constant
from servers.graph.values.types import EMPTY, NULL

Make = Callable[[Any, Context, Execution], Rows]


def plan_show(statement: d.Show, context: Context) -> Plan:
    """Plan SHOW. Raises `SemanticError` when it needs a space and none is chosen."""
    columns, make, needs_space = _SHOWS[statement.what]
    if needs_space and context.space is None:
        raise SemanticError("Space was not chosen.")
    if statement.what.endswith("INDEXES") and statement.name is not None:
        columns = [columns[0], columns[2]]
        return Plan("Show", columns, lambda _: _indexes_by(statement, context))
    return Plan("Show", columns, lambda run: make(statement, context, run))


def plan_describe(statement: d.Describe, context: Context) -> Plan:
    """Plan DESCRIBE of a space, tag, edge type or index. It runs into `ExecutionError` when there is none."""
    if statement.kind == "SPACE":
        return Plan("DescSpace", SPACE_COLUMNS, lambda _: [_space_row(_info(context, statement.name))])
    if context.space is None:
        raise SemanticError("Space was not chosen.")
    if statement.kind.endswith("INDEX"):
        return Plan("DescIndex", ["Field", "Type"], lambda _: _index_fields(statement, context))
    columns = ["Field", "Type", "Null", "Default", "Comment"]
    return Plan(
        "DescSchema", columns, lambda _: [_prop_row(prop) for prop in _found(statement, context).props]
    )


SPACE_COLUMNS: list[str] = [
    "ID",
    "Name",
    "Partition Number",
    "Replica Factor",
    "Charset",
    "Collate",
    "Vid Type",
    "Comment",
]


def _info(context: Context, name: str) -> SpaceInfo:
    found = context.catalog.info(name)
    if found is None:
        raise ExecutionError("SpaceNotFound: Space not existed!")
    return found


def _space_row(info: SpaceInfo) -> list[Any]:
    options = info.options
    fixed = [options["partition_num"], options["replica_factor"], options["charset"], options["collate"]]
    comment = options["comment"]
    return [info.id, info.name, *fixed, info.vid_text, EMPTY if comment is None else comment]


def _found(statement: Any, context: Context) -> SchemaDef:
    kind = statement.kind if isinstance(statement, d.Describe) else statement.what.split()[1]
    found = context.schema.of_kind(kind).get(statement.name)
    if found is None:
        raise ExecutionError(f"{kind.title()}NotFound: {kind.title()} not existed!")
    return found


def _prop_row(prop: PropDef) -> list[Any]:
    comment = EMPTY if prop.comment is None else prop.comment
    return [prop.name, prop.type_text, "YES" if prop.nullable else "NO", _default(prop), comment]


def _default(prop: PropDef) -> Any:
    if prop.default is None:
        return EMPTY
    kind, value = prop.default
    return from_stored(prop, value) if kind == "value" else value


def _index_fields(statement: d.Describe, context: Context) -> Rows:
    kind = statement.kind.split()[0]
    index = context.schema.indexes.get((kind, statement.name))
    if index is None:
        raise ExecutionError("IndexNotFound: Index not existed!")
    definition = context.schema.of_kind(kind)[index.owner]
    return [[name, _field_type(definition.by_name[name], length)] for name, length in index.fields]


def _field_type(prop: PropDef, length: int | None) -> str:
    return f"fixed_string({length})" if prop.type == "STRING" else prop.type_text


def _create_space(statement: d.Show, context: Context, _: Execution) -> Rows:
    info = _info(context, statement.name)
    o = info.options
    text = (
        f"CREATE SPACE `{info.name}` (partition_num = {o['partition_num']}, "
        f"replica_factor = {o['replica_factor']}, charset = {o['charset']}, collate = {o['collate']}, "
        f"vid_type = {info.vid_text})"
    )
    if o["comment"] is not None:
        text += f" comment = '{o['comment']}'"
    return [[info.name, text]]


def _create_schema(statement: d.Show, context: Context, _: Execution) -> Rows:
    found = _found(statement, context)
    lines = ",\n".join(f" {_prop_text(prop)}" for prop in found.props)
    body = f" (\n{lines}\n)" if lines else " (\n)"
    ttl = f' ttl_duration = {found.ttl_duration}, ttl_col = "{found.ttl_col or ""}"'
    comment = f', comment = "{found.comment}"' if found.comment else ""
    return [[found.name, f"CREATE {found.kind} `{found.name}`{body}{ttl}{comment}"]]


def _prop_text(prop: PropDef) -> str:
    parts = [f"`{prop.name}` {prop.type_text}", "NULL" if prop.nullable else "NOT NULL"]
    if prop.default is not None:
        value = _default(prop)
        text = value if prop.default[0] == "expression" else text_of_constant(value)
        parts.append(f"DEFAULT {'NULL' if value is NULL else text}")
    if prop.comment is not None:
        parts.append(f'COMMENT "{prop.comment}"')
    return " ".join(parts)


def _create_index(statement: d.Show, context: Context, _: Execution) -> Rows:
    kind = statement.what.split()[1]
    index = context.schema.indexes.get((kind, statement.name))
    if index is None:
        raise ExecutionError("IndexNotFound: Index not existed!")
    lines = ",\n".join(f" `{name}`{f'({length})' if length else ''}" for name, length in index.fields)
    body = f"(\n{lines}\n)" if lines else "(\n)"
    comment = f' comment "{index.comment}"' if index.comment else ""
    return [[index.name, f"CREATE {kind} INDEX `{index.name}` ON `{index.owner}` {body}{comment}"]]


def _indexes(statement: d.Show, context: Context, _: Execution) -> Rows:
    kind = statement.what.split()[0]
    found = sorted(context.schema.indexes.values(), key=lambda item: item.id)
    return [[item.name, item.owner, [name for name, _ in item.fields]] for item in found if item.kind == kind]


def _indexes_by(statement: d.Show, context: Context) -> Rows:
    kind = statement.what.split()[0]
    if statement.name not in context.schema.of_kind(kind):
        raise ExecutionError(f"{kind.title()}NotFound: {kind.title()} not existed!")
    found = context.schema.indexes_of(kind, statement.name)
    return [[item.name, [name for name, _ in item.fields]] for item in found]


def _index_status(statement: d.Show, context: Context, _: Execution) -> Rows:
    kind = statement.what.split()[0]
    return context.administration.rebuilt(f"REBUILD_{kind}_INDEX", context.space or "")


def _stats(_statement: d.Show, context: Context, run: Execution) -> Rows:
    store = context.store
    with store.read(run.deadline) as connection:
        tags = dict(connection.execute("SELECT tag, count(*) FROM v GROUP BY tag").fetchall())
        edges = dict(connection.execute("SELECT type, count(*) FROM e GROUP BY type").fetchall())
        vertices = connection.execute("SELECT count(DISTINCT vid) FROM v").fetchone()[0]
    rows: Rows = [["Tag", item.name, tags.get(item.id, 0)] for item in store.schema.tags.values()]
    rows += [["Edge", item.name, edges.get(item.id, 0)] for item in store.schema.edges.values()]
    return [*rows, ["Space", "vertices", vertices], ["Space", "edges", sum(edges.values())]]


def _spaces(_statement: d.Show, context: Context, _: Execution) -> Rows:
    role = context.administration.role
    return [[name] for name in context.catalog.names() if role(name)]


def _users(_statement: d.Show, context: Context, _: Execution) -> Rows:
    if context.administration.role(None) != "GOD":
        raise PermissionDenied("No permission to write user.")
    return context.administration.users()


def _roles(statement: d.Show, context: Context, _: Execution) -> Rows:
    if context.catalog.info(statement.name) is None:
        raise ExecutionError(f"SpaceNotFound: SpaceName `{statement.name}`")
    if not context.administration.role(statement.name):
        raise PermissionDenied("No permission to read space.")
    return context.administration.roles_in(statement.name)


def _snapshots(_statement: d.Show, context: Context, _: Execution) -> Rows:
    host, port = context.administration.hosts()[0][:2]
    return [[name, "VALID", f"{host}:{port}"] for name in context.catalog.snapshots.names()]


SESSION_COLUMNS: list[str] = [
    "SessionId",
    "UserName",
    "SpaceName",
    "CreateTime",
    "UpdateTime",
    "GraphAddr",
    "Timezone",
    "ClientIp",
]
HOST_COLUMNS: list[str] = [
    "Host",
    "Port",
    "Status",
    "Leader count",
    "Leader distribution",
    "Partition distribution",
    "Version",
]
ROLE_COLUMNS: list[str] = ["Host", "Port", "Status", "Role", "Git Info Sha", "Version"]
QUERY_COLUMNS: list[str] = [
    "SessionID",
    "ExecutionPlanID",
    "User",
    "Host",
    "StartTime",
    "DurationInUSec",
    "Status",
    "Query",
]
JOB_COLUMNS = ["Job Id", "Command", "Status", "Start Time", "Stop Time"]
TASK_COLUMNS = ["Job Id(TaskId)", "Command(Dest)", "Status", "Start Time", "Stop Time", "Error Code"]
PART_COLUMNS = ["Partition ID", "Leader", "Peers", "Losts"]

_SHOWS: dict[str, tuple[list[str], Make, bool]] = {
    "SPACES": (["Name"], _spaces, False),
    "ROLES": (["Account", "Role Type"], _roles, False),
    "TAGS": (["Name"], lambda _s, context, _r: [[name] for name in sorted(context.schema.tags)], True),
    "EDGES": (["Name"], lambda _s, context, _r: [[name] for name in sorted(context.schema.edges)], True),
    "CREATE SPACE": (["Space", "Create Space"], _create_space, False),
    "CREATE TAG": (["Tag", "Create Tag"], _create_schema, True),
    "CREATE EDGE": (["Edge", "Create Edge"], _create_schema, True),
    "CREATE TAG INDEX": (["Tag Index Name", "Create Tag Index"], _create_index, True),
    "CREATE EDGE INDEX": (["Edge Index Name", "Create Edge Index"], _create_index, True),
    "TAG INDEXES": (["Index Name", "By Tag", "Columns"], _indexes, True),
    "EDGE INDEXES": (["Index Name", "By Edge", "Columns"], _indexes, True),
    "TAG INDEX STATUS": (["Name", "Index Status"], _index_status, True),
    "EDGE INDEX STATUS": (["Name", "Index Status"], _index_status, True),
    "STATS": (["Type", "Name", "Count"], _stats, True),
    "CHARSET": (
        ["Charset", "Description", "Default collation", "Maxlen"],
        lambda *_: [["utf8", "UTF-8 Unicode", "utf8_bin", 4]],
        False,
    ),
    "COLLATION": (["Collation", "Charset"], lambda *_: [["utf8_bin", "utf8"]], False),
    **{
        f"HOSTS {role}": (
            ROLE_COLUMNS,
            lambda statement, context, _r: context.administration.hosts_of(statement.what.split()[1]),
            False,
        )
        for role in ("GRAPH", "STORAGE", "META")
    },
    "HOSTS": (HOST_COLUMNS, lambda _s, context, _r: context.administration.hosts(), False),
    "PARTS": (PART_COLUMNS, lambda *_: [], True),
    "SESSIONS": (SESSION_COLUMNS, lambda _s, context, _r: context.administration.sessions(), False),
    "SESSION": (
        SESSION_COLUMNS,
        lambda statement, context, _r: context.administration.session(statement.name),
        False,
    ),
    "QUERIES": (QUERY_COLUMNS, lambda _s, context, _r: context.administration.queries(), False),
    "USERS": (["Account"], _users, False),
    "JOBS": (JOB_COLUMNS, lambda _s, context, _r: context.administration.jobs(context.space or ""), True),
    "JOB": (
        TASK_COLUMNS,
        lambda statement, context, _r: context.administration.job(statement.name, context.space or ""),
        True,
    ),
    "SNAPSHOTS": (["Name", "Status", "Hosts"], _snapshots, False),
}
