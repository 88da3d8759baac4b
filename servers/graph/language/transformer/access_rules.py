"""Parses users, roles, KILL and snapshots: their grammar rules to syntax trees."""

from typing import Any

from lark import Token

from servers.graph.errors import NgqlSyntaxError
from servers.graph.language import access_statements as a
from servers.graph.language import ddl_statements as d
from servers.graph.language import expressions as e
from servers.graph.language.transformer.expression_rules import ExpressionRules, inline
from servers.graph.language.transformer.rule_parts import has_flag, names_in

ROLES = ("GOD", "ADMIN", "DBA", "USER", "GUEST")


def _texts(parts: Any) -> list[Any]:
    return [part.value for part in parts if isinstance(part, Token) and part.type == "STRING_VALUE"]


def _role(parts: Any, *, revoke: bool) -> a.GrantRole:
    role, space, user = names_in(parts)
    if role.upper() not in ROLES:
        raise NgqlSyntaxError(f"syntax error near `{role}'")
    return a.GrantRole(revoke, role.upper(), space, user)


@inline
class AccessRules(ExpressionRules):
    """One method a grammar rule of its name, called by Lark with what the rule matched."""

    def create_user(self, *parts: Any) -> a.CreateUser:
        password = (_texts(parts) or [""])[0]
        return a.CreateUser(names_in(parts)[0], password, has_flag(parts, "if_not_exists"))

    def alter_user(self, *parts: Any) -> a.AlterUser:
        return a.AlterUser(names_in(parts)[0], _texts(parts)[0])

    def drop_user(self, *parts: Any) -> a.DropUser:
        return a.DropUser(names_in(parts)[0], has_flag(parts, "if_exists"))

    def change_password(self, *parts: Any) -> a.ChangePassword:
        return a.ChangePassword(names_in(parts)[0], *_texts(parts))

    def grant_role(self, *parts: Any) -> a.GrantRole:
        return _role(parts, revoke=False)

    def revoke_role(self, *parts: Any) -> a.GrantRole:
        return _role(parts, revoke=True)

    def describe_user(self, *parts: Any) -> a.DescribeUser:
        return a.DescribeUser(names_in(parts)[0])

    def show_roles(self, *parts: Any) -> d.Show:
        return d.Show("ROLES", names_in(parts)[0])

    def kill_part(self, name: str, value: e.Expr) -> tuple[str, e.Expr]:
        if name.lower() not in ("session", "plan"):
            raise NgqlSyntaxError(f"syntax error near `{name}'")
        return name.lower(), value

    def kill_query(self, *parts: Any) -> a.KillQuery:
        given = dict(part for part in parts if isinstance(part, tuple))
        if "plan" not in given:
            raise NgqlSyntaxError("syntax error near `)'")
        return a.KillQuery(given.get("session"), given["plan"])

    def kill_session(self, *parts: Token) -> a.KillSession:
        return a.KillSession(parts[-1].value)

    def create_snapshot(self, *_: Token) -> a.Snapshot:
        return a.Snapshot(None)

    def drop_snapshot(self, *parts: Any) -> a.Snapshot:
        return a.Snapshot(names_in(parts)[0])
