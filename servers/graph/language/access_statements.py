"""Syntax trees of what concerns users, roles, running queries, sessions and snapshots."""

from dataclasses import dataclass

from servers.graph.language.dml_statements import Write
from servers.graph.language.expressions import Expr
from servers.graph.language.statements import Statement


@dataclass(slots=True)
class CreateUser(Write):
    """CREATE USER; without a password it is empty."""

    name: str
    password: str
    if_not_exists: bool


@dataclass(slots=True)
class AlterUser(Write):
    """ALTER USER … WITH PASSWORD."""

    name: str
    password: str


@dataclass(slots=True)
class DropUser(Write):
    """DROP USER."""

    name: str
    if_exists: bool


@dataclass(slots=True)
class ChangePassword(Write):
    """CHANGE PASSWORD name FROM old TO new."""

    name: str
    old: str
    new: str


@dataclass(slots=True)
class GrantRole(Write):
    """GRANT or REVOKE ROLE in a space; `role` as it was spelt."""

    revoke: bool
    role: str
    space: str
    user: str


@dataclass(slots=True)
class DescribeUser(Statement):
    """DESCRIBE USER."""

    name: str


@dataclass(slots=True)
class KillQuery(Write):
    """KILL QUERY (session, plan), of constants or of a pipe's rows; `session` is None for the own one."""

    session: Expr | None
    plan: Expr


@dataclass(slots=True)
class KillSession(Write):
    """KILL SESSION."""

    session: int


@dataclass(slots=True)
class Snapshot(Write):
    """CREATE SNAPSHOT, or DROP SNAPSHOT of a name."""

    dropped: str | None
