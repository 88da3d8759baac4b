"""Users, roles, KILL and snapshots: the statements; who may is checked in `engine/permissions`."""

from servers.graph.engine.evaluate import compile_expr
from servers.graph.engine.execution import Execution, Rows
from servers.graph.engine.frame import Frame
from servers.graph.engine.plan import Context, Plan, rows_of, scope_of
from servers.graph.errors import ExecutionError, SemanticError
from servers.graph.language import access_statements as a
from servers.graph.language import expressions as e
from servers.graph.values.types import NULL, Null

MAX_NAME, MAX_PASSWORD = 16, 24
"""Characters, as in the cluster."""


def _check_length(text: str, longest: int, what: str) -> None:
    if len(text) > longest:
        raise SemanticError(f"{what} exceed maximum length {longest} characters.")


def plan_create_user(statement: a.CreateUser, context: Context) -> Plan:
    """Plan CREATE USER: who has no role yet. Raises `SemanticError`; it runs into `ExecutionError`."""
    _check_length(statement.name, MAX_NAME, "Username")
    _check_length(statement.password, MAX_PASSWORD, "Password")
    server = context.administration

    def execute(_: Execution) -> Rows:
        server.create_user(statement.name, statement.password, if_not_exists=statement.if_not_exists)
        return []

    return Plan("CreateUser", [], execute, writes=True)


def plan_alter_user(statement: a.AlterUser, context: Context) -> Plan:
    """Plan ALTER USER: another password. Raises `SemanticError`; it runs into `ExecutionError`."""
    _check_length(statement.password, MAX_PASSWORD, "Password")
    server = context.administration

    def execute(_: Execution) -> Rows:
        server.set_password(statement.name, None, statement.password)
        return []

    return Plan("UpdateUser", [], execute, writes=True)


def plan_change_password(statement: a.ChangePassword, context: Context) -> Plan:
    """Plan CHANGE PASSWORD: the old one must be right. Raises `SemanticError`; `ExecutionError` later."""
    _check_length(statement.old, MAX_PASSWORD, "Old password")
    _check_length(statement.new, MAX_PASSWORD, "New password")
    server = context.administration

    def execute(_: Execution) -> Rows:
        server.set_password(statement.name, statement.old, statement.new)
        return []

    return Plan("ChangePassword", [], execute, writes=True)


def plan_drop_user(statement: a.DropUser, context: Context) -> Plan:
    """Plan DROP USER. Raises `SemanticError` for root; it runs into `ExecutionError`."""
    if statement.name == "root":
        raise SemanticError("Can't drop root user.")
    server = context.administration

    def execute(_: Execution) -> Rows:
        server.drop_user(statement.name, if_exists=statement.if_exists)
        return []

    return Plan("DropUser", [], execute, writes=True)


def plan_grant(statement: a.GrantRole, context: Context) -> Plan:
    """Plan GRANT and REVOKE. It runs into `ExecutionError`, `SemanticError`."""
    server = context.administration

    def execute(_: Execution) -> Rows:
        if context.catalog.info(statement.space) is None:
            raise ExecutionError(f"SpaceNotFound: SpaceName `{statement.space}`")
        change = server.revoke if statement.revoke else server.grant
        change(statement.user, statement.role, statement.space)
        return []

    return Plan("RevokeRole" if statement.revoke else "GrantRole", [], execute, writes=True)


def plan_describe_user(statement: a.DescribeUser, context: Context) -> Plan:
    """Plan DESCRIBE USER: a row a role. It runs into `ExecutionError`."""
    server = context.administration
    return Plan("DescribeUser", ["role", "space"], lambda _: server.roles_of(statement.name))


def plan_kill_query(statement: a.KillQuery, context: Context) -> Plan:
    """Plan KILL QUERY, of each row of a pipe. Raises `SemanticError`; it runs into `ExecutionError`."""
    server = context.administration
    parts = [statement.session or e.Const(NULL), statement.plan]
    source, shape = context.source(parts)
    scope = scope_of(context, source, shape)
    session, number = (compile_expr(part, scope) for part in parts)

    def execute(run: Execution) -> Rows:
        frame = Frame(run)
        for frame.row in rows_of(run, source) if source else [[]]:
            owner, plan = session(frame), number(frame)
            if type(plan) is not int or type(owner) not in (int, Null):
                raise ExecutionError("Session and plan of a query should be of type integer.")
            server.kill_query(owner if type(owner) is int else None, plan)
        return []

    return Plan("KillQuery", [], execute, writes=True)


def plan_kill_session(statement: a.KillSession, context: Context) -> Plan:
    """Plan KILL SESSION: its queries end too. It runs into `ExecutionError`, `PermissionDenied`."""
    server = context.administration

    def execute(_: Execution) -> Rows:
        server.kill_session(statement.session)
        return []

    return Plan("KillSession", [], execute, writes=True)


def plan_snapshot(statement: a.Snapshot, context: Context) -> Plan:
    """Plan CREATE and DROP SNAPSHOT: copies of all spaces. It runs into `ExecutionError`."""
    snapshots = context.catalog.snapshots

    def execute(_: Execution) -> Rows:
        if statement.dropped is None:
            snapshots.create(context.catalog.open_all())
        else:
            snapshots.drop(statement.dropped)
        return []

    return Plan("Snapshot", [], execute, writes=True)
