"""Decides whether a statement may run on the read-only SQL door: a strict allowlist over its syntax tree.

It owns no connection. Whatever is not known to be harmless is refused, with its name in the message.
"""

import re
from collections.abc import Iterator
from typing import Any

from postgast import PgQueryError
from postgast.pg_query_pb2 import SQLValueFunctionOp

from servers.bridge.clients.postgres.allowlist import FUNCTIONS, GROWING, NODES, TYPES
from servers.bridge.clients.postgres.roles import PRIVATE_TABLES
from servers.bridge.clients.postgres.syntax_tree import Node, extent, parse, unwrapped, walk
from tools.errors import BadRequest, Forbidden

SCHEMAS = frozenset({"public"})
FORBIDDEN_NAMES = ("pg_", "dblink", "information_schema", "query_to_xml", "txid_")
# They tell where rows lie and who else writes; no table may have columns of its own so called.
SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})
# Arguments in these make a padded text as long as they say.
WIDTH = re.compile(r"%[^%]*?(?:\*|\d{4,})")
CLOCKS = frozenset(name for name, _ in SQLValueFunctionOp.items() if "DATE" in name or "TIME" in name)
OPERATOR = {"A_Expr": "name", "SubLink": "operName", "SortBy": "useOp"}
PATH = {"ColumnRef": "fields", "A_Indirection": "indirection"}
"""The fields that name an operator, and what a column's path is made of."""
MAX_CHARS = 100_000
MAX_NODES = 20_000
MAX_DEPTH = 150
TOO_LARGE = "the statement is too large or nested too deeply"


def check(statement: str) -> str:
    """The one statement that may run. Raises BadRequest with the code `forbidden_statement` or
    `syntax_error` and, for the latter, the position (characters, from 0)."""
    if len(statement) > MAX_CHARS or "\x00" in statement:
        raise refused("the statement is too long or holds a NUL")
    top = _only(statement)
    nodes = list(_bounded(top))
    names = {str(node.fields.get("ctename", "")) for node in nodes if node.kind == "CommonTableExpr"}
    if any(name.startswith(FORBIDDEN_NAMES) for name in names):
        # In one part of the statement it would be this name, in another the system's own table.
        raise refused("system names are not allowed")
    for node in nodes:
        _check_node(node, names)
    start, end = extent(statement)
    # Blanks in place of what was before keep the positions that errors name.
    return " " * start + statement[start:end]


def refused(reason: str) -> BadRequest:
    """The error of a statement that is not on the allowlist."""
    return BadRequest(reason, param="query", source="postgres", code="forbidden_statement")


def _only(statement: str) -> Node:
    """The one SELECT or EXPLAIN of a text; nothing in it is checked yet."""
    try:
        statements = parse(statement, most=MAX_NODES)
    except PgQueryError as exc:
        raise _syntax(exc) from exc
    except ValueError as exc:
        raise refused(TOO_LARGE) from exc
    if len(statements) != 1:
        raise refused("exactly one statement is allowed")
    (top,) = statements
    if top is None or top.kind not in {"SelectStmt", "ExplainStmt"}:
        raise refused("only SELECT and EXPLAIN are allowed")
    if top.kind == "ExplainStmt":
        explained = unwrapped(top.fields.get("query"))
        if explained is None or explained.kind != "SelectStmt":
            raise refused("only a SELECT can be explained")
    return top


def _syntax(exc: PgQueryError) -> BadRequest:
    return BadRequest(
        f"syntax error (SQLSTATE 42601) at position {max(exc.cursorpos - 1, 0)}",
        param="query",
        source="postgres",
        code="syntax_error",
    )


def _bounded(root: Node) -> Iterator[Node]:
    """Every node from `root` down, within bounds of size and depth."""
    for seen, (node, depth) in enumerate(walk(root), start=1):
        if seen > MAX_NODES or depth > MAX_DEPTH:
            raise refused(TOO_LARGE)
        yield node


def _check_node(node: Node, names: set[str]) -> None:
    if node.kind not in NODES:
        raise refused(f"{node.kind} is not allowed")
    match node.kind:
        case "SelectStmt":
            _check_select(node)
        case "FuncCall":
            _check_function(node)
        case "RangeVar":
            _check_table(node, names)
        case "TypeName":
            _check_type(node)
        case "A_Expr" | "SubLink" | "SortBy":
            _check_operator(node, OPERATOR[node.kind])
        case "ColumnRef" | "A_Indirection":
            _check_names(node, PATH[node.kind])
        case _:
            _check_option(node)


def _check_select(node: Node) -> None:
    if "intoClause" in node.fields:
        raise refused("SELECT INTO is not allowed")
    if "lockingClause" in node.fields:
        raise refused("row locks are not allowed")
    if node.fields.get("op") != "SETOP_NONE" and not ("larg" in node.fields and "rarg" in node.fields):
        raise refused("the set operation is not complete")


def _check_function(node: Node) -> None:
    parts = _names(node, "funcname")
    if len(parts) > 1:
        _check_schema(parts[0], "function", allowed={"pg_catalog"})
    name = parts[-1]
    if name in GROWING:
        _check_growth(node, GROWING[name])
    elif name == "format":
        _check_format(node)
    elif name not in FUNCTIONS:
        raise refused(f"the function {name[:63]} is not allowed")


def _check_operator(node: Node, field: str) -> None:
    parts = _names(node, field)
    if len(parts) > 1:
        _check_schema(parts[0], "operator", allowed={"pg_catalog"})


def _check_format(node: Node) -> None:
    text = _literal(node, 0, "sval")
    if text is None or WIDTH.search(str(text.get("sval", ""))):
        raise refused("format needs a literal without large widths")


def _check_growth(node: Node, most: int) -> None:
    size = _literal(node, 1, "ival")
    if size is None or not 0 <= size.get("ival", 0) <= most:
        raise refused(f"this function needs a literal size of at most {most}")
    if sum(inner.kind == "FuncCall" for inner in _bounded(node)) > 1:
        raise refused("this function takes no function as an argument")


def _check_table(node: Node, names: set[str]) -> None:
    name, schema = str(node.fields.get("relname", "")), node.fields.get("schemaname")
    if "catalogname" in node.fields:
        raise refused("other databases are not allowed")
    if schema is None and name in names:
        return
    if schema is not None:
        _check_schema(str(schema), "table", allowed=SCHEMAS)
    if name.startswith(FORBIDDEN_NAMES):
        raise refused("system tables are not allowed")
    if name in PRIVATE_TABLES:
        raise Forbidden(f"the table {name} may not be read", param="query", source="postgres")


def _check_type(node: Node) -> None:
    parts = _names(node, "names")
    if len(parts) > 1:
        _check_schema(parts[0], "type", allowed={"pg_catalog"})
    if node.fields.get("pct_type") or not parts or parts[-1] not in TYPES:
        raise refused(f"the type {(parts or ['?'])[-1][:63]} is not allowed")


def _check_option(node: Node) -> None:
    """Of EXPLAIN's options those that only change how the plan is shown; clocks and plain samples."""
    match node.kind:
        case "DefElem":
            option = str(node.fields.get("defname", ""))
            if option not in {"verbose", "costs", "format", "summary"}:
                raise refused(f"EXPLAIN {option.upper()} is not allowed")
        case "SQLValueFunction" if node.fields.get("op") not in CLOCKS:
            raise refused("only the date and time values are allowed")
        case "RangeTableSample" if _names(node, "method") not in (["system"], ["bernoulli"]):
            raise refused("this way of sampling is not allowed")
        case _:
            pass


def _check_names(node: Node, field: str) -> None:
    """`row.function` calls a function: no system name may hide there, and none is a column's."""
    if any(name.startswith(FORBIDDEN_NAMES) or name in SYSTEM_COLUMNS for name in _names(node, field)):
        raise refused("system names are not allowed")


def _check_schema(schema: str, what: str, *, allowed: frozenset[str] | set[str]) -> None:
    if schema not in allowed:
        raise refused(f"a {what} of schema {schema[:63]} is not allowed")


def _literal(call: Node, place: int, field: str) -> dict[str, Any] | None:
    """The text (`sval`) or whole number (`ival`) that a call's argument is; None for anything else."""
    arguments = call.fields.get("args", ())
    value = unwrapped(arguments[place]) if len(arguments) > place else None
    return value.fields.get(field) if value is not None and value.kind == "A_Const" else None


def _names(node: Node, field: str) -> list[str]:
    parts = (unwrapped(part) for part in node.fields.get(field, ()))
    return [str(part.fields.get("sval", "")) for part in parts if part is not None and part.kind == "String"]
