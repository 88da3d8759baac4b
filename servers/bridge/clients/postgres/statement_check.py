"""Decides whether a statement may run on the read-only SQL door: a strict allowlist over its syntax tree.

It owns no connection. Whatever is not known to be harmless is refused, with its name in the message.
"""

import re
from collections.abc import Iterator
from typing import Any

from pglast import ast, parse_sql
from pglast.enums import SetOperation, SQLValueFunctionOp
from pglast.parser import ParseError, scan

from servers.bridge.clients.postgres.allowlist import FUNCTIONS, GROWING, NODES, TYPES
from servers.bridge.clients.postgres.roles import PRIVATE_TABLES
from tools.errors import BadRequest, Forbidden

SCHEMAS = frozenset({"public"})
FORBIDDEN_NAMES = ("pg_", "dblink", "information_schema", "query_to_xml", "txid_")
# Arguments in these make a padded text as long as they say.
WIDTH = re.compile(r"%[^%]*?(?:\*|\d{4,})")
CLOCKS = frozenset(
    value for name, value in SQLValueFunctionOp.__members__.items() if "DATE" in name or "TIME" in name
)
UNSEEN = frozenset({"SQL_COMMENT", "C_COMMENT", "ASCII_59"})
MAX_CHARS = 100_000
MAX_NODES = 20_000
MAX_DEPTH = 150


def check(statement: str) -> str:
    """The one statement that may run. Raises BadRequest with the code `forbidden_statement` or
    `syntax_error` and, for the latter, the position (characters, from 0)."""
    if len(statement) > MAX_CHARS or "\x00" in statement:
        raise refused("the statement is too long or holds a NUL")
    try:
        statements = parse_sql(statement)
    except ParseError as exc:
        raise _syntax(exc) from exc
    except (RecursionError, ValueError, UnicodeError) as exc:
        raise refused("the statement is nested too deeply") from exc
    if len(statements) != 1:
        raise refused("exactly one statement is allowed")
    top = statements[0].stmt
    if not isinstance(top, ast.SelectStmt | ast.ExplainStmt):
        raise refused("only SELECT and EXPLAIN are allowed")
    if isinstance(top, ast.ExplainStmt) and not isinstance(top.query, ast.SelectStmt):
        raise refused("only a SELECT can be explained")
    names = {
        name for node, _ in _walk(top) if isinstance(node, ast.CommonTableExpr) and (name := node.ctename)
    }
    if any(str(name).startswith(FORBIDDEN_NAMES) for name in names):
        # In one part of the statement it would be this name, in another the system's own table.
        raise refused("system names are not allowed")
    for node, _ in _walk(top):
        _check_node(node, names)
    tokens = [word for word in scan(statement) if word.name not in UNSEEN]
    # Blanks in place of what was before keep the positions that errors name.
    return " " * tokens[0].start + statement[tokens[0].start : tokens[-1].end + 1]


def refused(reason: str) -> BadRequest:
    return BadRequest(reason, param="query", source="postgres", code="forbidden_statement")


def _syntax(exc: ParseError) -> BadRequest:
    place = exc.args[1] if len(exc.args) > 1 and isinstance(exc.args[1], int) else 0
    return BadRequest(
        f"syntax error (SQLSTATE 42601) at position {place}",
        param="query",
        source="postgres",
        code="syntax_error",
    )


def _walk(root: Any) -> Iterator[tuple[ast.Node, int]]:
    """Every node below `root`, through tuples of tuples, within bounds of size and depth."""
    seen, stack = 0, [(root, 0)]
    while stack:
        item, depth = stack.pop()
        if isinstance(item, tuple | list):
            stack += [(part, depth + 1) for part in item]
        elif isinstance(item, ast.Node):
            seen += 1
            if seen > MAX_NODES or depth > MAX_DEPTH:
                raise refused("the statement is too large or nested too deeply")
            yield item, depth
            stack += [(getattr(item, name), depth + 1) for name in item]


def _check_node(node: ast.Node, names: set[str]) -> None:
    kind = type(node).__name__
    if kind not in NODES:
        raise refused(f"{kind} is not allowed")
    match node:
        case ast.SelectStmt():
            _check_select(node)
        case ast.FuncCall():
            _check_function(node)
        case ast.RangeVar():
            _check_table(node, names)
        case ast.TypeName():
            _check_type(node)
        case ast.A_Expr() | ast.SubLink() | ast.SortBy():
            _check_operator(node)
        case ast.ColumnRef() | ast.A_Indirection():
            _check_names(node)
        case _:
            _check_option(node)


def _check_select(node: ast.SelectStmt) -> None:
    if node.intoClause is not None:
        raise refused("SELECT INTO is not allowed")
    if node.lockingClause:
        raise refused("row locks are not allowed")
    if node.op != SetOperation.SETOP_NONE and (node.larg is None or node.rarg is None):
        raise refused("the set operation is not complete")


def _check_function(node: ast.FuncCall) -> None:
    parts = _names(node.funcname)
    if len(parts) > 1:
        _check_schema(parts[0], "function", allowed={"pg_catalog"})
    name = parts[-1]
    if name in GROWING:
        _check_growth(node, GROWING[name])
    elif name == "format":
        _check_format(node)
    elif name not in FUNCTIONS:
        raise refused(f"the function {name[:63]} is not allowed")


def _check_operator(node: ast.A_Expr | ast.SubLink | ast.SortBy) -> None:
    match node:
        case ast.A_Expr():
            parts = _names(node.name)
        case ast.SubLink():
            parts = _names(node.operName)
        case ast.SortBy():
            parts = _names(node.useOp)
    if len(parts) > 1:
        _check_schema(parts[0], "operator", allowed={"pg_catalog"})


def _check_format(node: ast.FuncCall) -> None:
    arguments: Any = node.args or ()
    value = arguments[0].val if arguments and isinstance(arguments[0], ast.A_Const) else None
    if not isinstance(value, ast.String) or WIDTH.search(str(value.sval)):
        raise refused("format needs a literal without large widths")


def _check_growth(node: ast.FuncCall, most: int) -> None:
    arguments: Any = node.args or ()
    size = arguments[1] if len(arguments) > 1 else None
    value = size.val if isinstance(size, ast.A_Const) else None
    if not isinstance(value, ast.Integer) or not 0 <= (value.ival or 0) <= most:
        raise refused(f"this function needs a literal size of at most {most}")
    if any(isinstance(inner, ast.FuncCall) and inner is not node for inner, _ in _walk(node)):
        raise refused("this function takes no function as an argument")


def _check_table(node: ast.RangeVar, names: set[str]) -> None:
    if node.catalogname is not None:
        raise refused("other databases are not allowed")
    if node.schemaname is None and node.relname in names:
        return
    if node.schemaname is not None:
        _check_schema(node.schemaname, "table", allowed=SCHEMAS)
    if str(node.relname).startswith(FORBIDDEN_NAMES):
        raise refused("system tables are not allowed")
    if node.relname in PRIVATE_TABLES:
        raise Forbidden(f"the table {node.relname} may not be read", param="query", source="postgres")


def _check_type(node: ast.TypeName) -> None:
    parts = _names(node.names)
    if len(parts) > 1:
        _check_schema(parts[0], "type", allowed={"pg_catalog"})
    if node.pct_type or not parts or parts[-1] not in TYPES:
        raise refused(f"the type {(parts or ['?'])[-1][:63]} is not allowed")


def _check_option(node: ast.Node) -> None:
    """Of EXPLAIN's options those that only change how the plan is shown; clocks and plain samples."""
    match node:
        case ast.DefElem() if node.defname not in {"verbose", "costs", "format", "summary"}:
            raise refused(f"EXPLAIN {str(node.defname).upper()} is not allowed")
        case ast.SQLValueFunction() if node.op not in CLOCKS:
            raise refused("only the date and time values are allowed")
        case ast.RangeTableSample() if _names(node.method) not in (["system"], ["bernoulli"]):
            raise refused("this way of sampling is not allowed")
        case _:
            pass


def _check_names(node: ast.ColumnRef | ast.A_Indirection) -> None:
    """`row.function` calls a function: no system name may hide there."""
    parts = node.fields if isinstance(node, ast.ColumnRef) else node.indirection
    for part in parts or ():
        if isinstance(part, ast.String) and str(part.sval).startswith(FORBIDDEN_NAMES):
            raise refused("system names are not allowed")


def _check_schema(schema: str, what: str, *, allowed: frozenset[str] | set[str]) -> None:
    if schema not in allowed:
        raise refused(f"a {what} of schema {schema[:63]} is not allowed")


def _names(parts: Any) -> list[str]:
    return [str(part.sval) for part in parts or () if isinstance(part, ast.String)]
