"""Decides whether a statement may run on the read-only SQL door: a strict allowlist over its syntax tree.

It owns no connection. Whatever is not known to be harmless is refused, with its name in the message.
"""

from collections.abc import Iterator
from typing import Any

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, SetOperation, SQLValueFunctionOp
from pglast.parser import ParseError

from tools.errors import BadRequest

NODES = frozenset(
    """
    RawStmt SelectStmt ExplainStmt DefElem ResTarget ColumnRef A_Star A_Const Integer Float String Boolean
    BitString ParamRef A_Expr BoolExpr NullTest BooleanTest TypeCast TypeName CaseExpr CaseWhen CoalesceExpr
    MinMaxExpr SubLink FuncCall A_ArrayExpr A_Indirection A_Indices RowExpr SortBy WindowDef WithClause
    CommonTableExpr JoinExpr RangeVar RangeSubselect RangeFunction Alias GroupingSet GroupingFunc
    SQLValueFunction CollateClause CTESearchClause CTECycleClause
    """.split()
)

FUNCTIONS = frozenset(
    """
    count sum avg min max stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop
    covar_samp regr_slope regr_intercept regr_r2 regr_count bool_and bool_or every any_value mode
    percentile_cont percentile_disc string_agg array_agg json_agg jsonb_agg json_object_agg
    jsonb_object_agg bit_and bit_or row_number rank dense_rank percent_rank cume_dist ntile lag lead
    first_value last_value nth_value abs ceil ceiling floor round trunc sign sqrt cbrt exp ln log log10
    power pow mod div gcd lcm pi degrees radians sin cos tan asin acos atan atan2 sinh cosh tanh greatest
    least width_bucket random lower upper initcap length char_length character_length octet_length
    bit_length substr substring left right btrim ltrim rtrim trim position strpos overlay replace
    translate reverse concat concat_ws split_part starts_with ascii chr md5 sha224 sha256 sha384 sha512
    encode decode to_hex quote_literal quote_ident quote_nullable regexp_count regexp_instr regexp_like
    regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr
    string_to_array string_to_table unaccent normalize is_normalized like_escape similar_to_escape soundex
    levenshtein similarity unistr to_char to_number to_date to_timestamp now date_part date_trunc date_bin
    extract age make_date make_time make_timestamp make_timestamptz make_interval justify_days
    justify_hours justify_interval isfinite clock_timestamp statement_timestamp transaction_timestamp
    timezone overlaps generate_series unnest array_length array_position array_positions array_to_string
    array_append array_cat array_prepend array_remove array_replace array_ndims array_dims array_lower
    array_upper cardinality generate_subscripts trim_array array_sample array_shuffle to_json to_jsonb
    row_to_json array_to_json json_build_object jsonb_build_object json_build_array jsonb_build_array
    json_object jsonb_object json_array_length jsonb_array_length json_array_elements jsonb_array_elements
    json_array_elements_text jsonb_array_elements_text json_each jsonb_each json_each_text jsonb_each_text
    json_object_keys jsonb_object_keys json_extract_path jsonb_extract_path json_extract_path_text
    jsonb_extract_path_text json_typeof jsonb_typeof json_strip_nulls jsonb_strip_nulls jsonb_set
    jsonb_set_lax jsonb_insert jsonb_pretty jsonb_path_exists jsonb_path_match jsonb_path_query
    jsonb_path_query_array jsonb_path_query_first json_to_record jsonb_to_record json_to_recordset
    jsonb_to_recordset to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery
    ts_rank ts_rank_cd ts_headline numnode setweight tsvector_to_array strip lower_inc upper_inc isempty
    range_merge int4range int8range numrange tsrange tstzrange daterange num_nulls num_nonnulls nullif
    coalesce gen_random_uuid uuidv4 uuidv7 scale min_scale trim_scale factorial bit_count get_byte get_bit
    cosine_distance l2_distance inner_product l1_distance vector_dims vector_norm
    """.split()
)
# These make long values from short ones: each argument must be a small literal.
GROWING = {"repeat": 10_000, "lpad": 10_000, "rpad": 10_000}

TYPES = frozenset(
    """
    bool boolean int2 int4 int8 smallint int integer bigint float4 float8 real numeric decimal text varchar
    bpchar char date time timetz timestamp timestamptz interval json jsonb jsonpath uuid bytea bit varbit
    tsvector tsquery int4range int8range numrange tsrange tstzrange daterange vector halfvec inet cidr money
    """.split()
)
SCHEMAS = frozenset({"public"})
FORBIDDEN_NAMES = ("pg_", "lo_", "dblink", "information_schema", "xml", "txid_")
CLOCKS = frozenset(
    value for name, value in SQLValueFunctionOp.__members__.items() if "DATE" in name or "TIME" in name
)
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
    for node, _ in _walk(top):
        _check_node(node, names)
    start, length = statements[0].stmt_location or 0, statements[0].stmt_len or 0
    return statement[start : start + length if length else None].strip().rstrip(";")


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
        case ast.SQLValueFunction() if node.op not in CLOCKS:
            raise refused("only the date and time values are allowed")
        case ast.DefElem():
            _check_option(node)
        case ast.A_Expr() if node.kind == A_Expr_Kind.AEXPR_OP and len(_names(node.name)) > 1:
            _check_schema(_names(node.name)[0], "operator", allowed={"pg_catalog"})
        case ast.ColumnRef() | ast.A_Indirection():
            _check_names(node)


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
    elif name not in FUNCTIONS:
        raise refused(f"the function {name[:63]} is not allowed")


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


def _check_type(node: ast.TypeName) -> None:
    parts = _names(node.names)
    if len(parts) > 1:
        _check_schema(parts[0], "type", allowed={"pg_catalog"})
    if node.pct_type or not parts or parts[-1] not in TYPES:
        raise refused(f"the type {(parts or ['?'])[-1][:63]} is not allowed")


def _check_option(node: ast.DefElem) -> None:
    """EXPLAIN's options: those that only change how the plan is shown."""
    if node.defname not in {"verbose", "costs", "format", "summary"}:
        raise refused(f"EXPLAIN {str(node.defname).upper()} is not allowed")


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
