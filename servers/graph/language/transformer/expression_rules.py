"""Parses expressions: their grammar rules to syntax trees, while the parser runs."""

from typing import Any

from lark import Token, Transformer, v_args

from servers.graph.errors import NgqlSyntaxError
from servers.graph.functions.registry import is_known_call
from servers.graph.language import expressions as e
from servers.graph.language.lexer import MAX_INT
from servers.graph.language.quoting import Misplaced
from servers.graph.language.transformer.rule_parts import without_tokens
from servers.graph.values.types import MIN_INT, NULL

HAVE_PARTS = (e.Attr, e.Subscript, e.PathExpr)
"""What `exists` may be asked of."""

inline: Any = v_args(inline=True)
"""Lark's decorator, whose type would hide the class it decorates."""


def _binary(op: str) -> Any:
    def make(_self: Any, left: e.Expr, *rest: Any) -> e.Expr:
        return e.Binary(op, left, rest[-1])

    return make


def _test(what: str, negated: bool) -> Any:
    def make(_self: Any, operand: e.Expr, *_words: Token) -> e.Expr:
        return e.Test(operand, what, negated)

    return make


def _ref(what: str) -> Any:
    def make(_self: Any, _word: Token) -> e.Expr:
        return e.Ref(what)

    return make


@inline
class ExpressionRules(Transformer):
    """One method a grammar rule of its name, called by Lark with what the rule matched.

    Keywords and punctuation that a rule keeps are dropped here. What a rule means is in `grammar.lark`.
    """

    either_or, either_xor, both_and = _binary("OR"), _binary("XOR"), _binary("AND")
    eq, ne, lt, le = _binary("=="), _binary("!="), _binary("<"), _binary("<=")
    gt, ge, reg = _binary(">"), _binary(">="), _binary("=~")
    contained, not_contained = _binary("IN"), _binary("NOT IN")
    contains, not_contains = _binary("CONTAINS"), _binary("NOT CONTAINS")
    starts, not_starts = _binary("STARTS WITH"), _binary("NOT STARTS WITH")
    ends, not_ends = _binary("ENDS WITH"), _binary("NOT ENDS WITH")
    add, sub, mul, div, mod = _binary("+"), _binary("-"), _binary("*"), _binary("/"), _binary("%")
    is_null, is_not_null = _test("NULL", False), _test("NULL", True)
    is_empty, is_not_empty = _test("EMPTY", False), _test("EMPTY", True)
    input_ref, src_ref, dst_ref = _ref("$-"), _ref("$^"), _ref("$$")
    vertex_ref, edge_ref = _ref("VERTEX"), _ref("EDGE")
    vertices_ref, edges_ref, path_ref = _ref("VERTICES"), _ref("EDGES"), _ref("PATH")

    def name(self, token: Token) -> str:
        return token.value if token.type == "NAME" else token.value.lower()

    def names(self, *names: str) -> list[str]:
        return [name for name in names if not isinstance(name, Token)]

    def exprs(self, *items: Any) -> list[e.Expr]:
        return without_tokens(items)

    vids = exprs

    def ternary(self, when: e.Expr, then: e.Expr, otherwise: e.Expr) -> e.Expr:
        return e.Case(None, [(when, then)], otherwise, ternary=True)

    def logical_not(self, *parts: Any) -> e.Expr:
        return e.Unary("!", parts[-1])

    not_bang = logical_not

    def negative(self, operand: e.Expr) -> e.Expr:
        match operand:
            case e.Const(value=int() as number) if number > MAX_INT:
                return e.Const(MIN_INT)
        return e.Unary("-", operand)

    def positive(self, operand: e.Expr) -> e.Expr:
        return e.Unary("+", operand)

    def cast(self, kind: tuple[str, Any], operand: e.Expr) -> e.Expr:
        return e.Cast(kind[0], operand)

    def type(self, *parts: Any) -> tuple[str, Any]:
        length = next((part for part in parts[1:] if getattr(part, "type", "") == "INTEGER"), None)
        if length is not None and length.value == 0:
            raise Misplaced("Out of range:", length.start_pos or 0, length.end_pos or 0)
        return str(parts[0]).upper(), length.value if length is not None else None

    def item_type(self, word: Token) -> str:
        return word.type

    def collection_type(self, container: Any, item: str) -> tuple[str, Any]:
        if str(container).upper() not in ("LIST", "SET"):
            raise NgqlSyntaxError(f"syntax error near `{container}'")
        return f"{str(container).upper()}_{item}", None

    def subscript(self, left: e.Expr, index: e.Expr) -> e.Expr:
        return e.Subscript(left, index)

    def slice(self, left: e.Expr, low: e.Expr, high: e.Expr) -> e.Expr:
        return e.Slice(left, low, high)

    def slice_to(self, left: e.Expr, high: e.Expr) -> e.Expr:
        return e.Slice(left, None, high)

    def slice_from(self, left: e.Expr, low: e.Expr) -> e.Expr:
        return e.Slice(left, low, None)

    def attribute(self, left: e.Expr, name: str) -> e.Expr:
        return e.Attr(left, name)

    def all_columns(self, left: e.Expr, _star: Token) -> e.Expr:
        return e.Star(left)

    def label(self, name: str) -> e.Expr:
        return e.Label(name)

    def variable(self, token: Token) -> e.Expr:
        return e.Variable(token.value)

    def number(self, token: Token) -> e.Expr:
        return e.Const(token.value)

    text = number

    def true(self, _word: Token) -> e.Expr:
        return e.Const(True)

    def false(self, _word: Token) -> e.Expr:
        return e.Const(False)

    def null(self, _word: Token) -> e.Expr:
        return e.Const(NULL)

    def literal(self, item: e.Expr) -> e.Expr:
        return item

    def list_literal(self, items: list[e.Expr] | None = None) -> e.Expr:
        return e.ListLiteral(items or [])

    def set_literal(self, items: list[e.Expr]) -> e.Expr:
        return e.SetLiteral(items)

    def map(self, *entries: tuple[str, e.Expr]) -> e.Expr:
        return e.MapLiteral(list(entries))

    def entry(self, key: Any, value: e.Expr) -> tuple[str, e.Expr]:
        return (key.value if isinstance(key, Token) else key), value

    def function(self, word: Any) -> str:
        return str(word.value) if isinstance(word, Token) else word

    def call(self, name: Any, arguments: list[e.Expr] | None = None) -> e.Expr:
        if isinstance(name, e.Expr):
            return name
        if not is_known_call(name, len(arguments or [])):
            raise NgqlSyntaxError(f"Unknown function  near `{name}'")
        if name.lower() == "exists" and not isinstance((arguments or [None])[0], HAVE_PARTS):
            raise NgqlSyntaxError("The exists only accept LabelAttribute, Attribute and Subscript")
        return e.Call(name, arguments or [])

    def call_star(self, name: str, *_rest: Token) -> e.Expr:
        if name.lower() != "count":
            raise NgqlSyntaxError(f"Could not apply aggregation function on `*` near `{name}'")
        return e.Call(name, [], star=True)

    def call_distinct(self, name: str, _distinct: Token, argument: e.Expr) -> e.Expr:
        return e.Call(name, [argument], distinct=True)

    def call_distinct_star(self, name: str, *_rest: Token) -> e.Expr:
        return e.Call(name, [], distinct=True, star=True)

    def branch(self, *parts: Any) -> tuple[e.Expr, e.Expr]:
        when, then = without_tokens(parts)
        return when, then

    def case(self, *parts: Any) -> e.Expr:
        first = parts[1] if isinstance(parts[1], e.Expr) else None
        branches = [part for part in parts if isinstance(part, tuple)]
        last = parts[-2] if isinstance(parts[-2], e.Expr) else None
        return e.Case(first, branches, last)

    def predicate(self, kind: Token, over: e.Expr, _where: Token, where: e.Expr) -> e.Expr:
        name, items = _iteration(over)
        return e.Predicate(str(kind), name, items, where)

    def comprehension_filter(self, over: e.Expr, _where: Token, where: e.Expr) -> e.Expr:
        return e.Comprehension(*_iteration(over), where, None)

    def comprehension_map(self, over: e.Expr, result: e.Expr) -> e.Expr:
        return e.Comprehension(*_iteration(over), None, result)

    def comprehension_both(self, over: e.Expr, _where: Token, where: e.Expr, result: e.Expr) -> e.Expr:
        return e.Comprehension(*_iteration(over), where, result)

    def comprehension(self, item: e.Expr) -> e.Expr:
        return item

    def reduce(self, _word: Token, total: str, *rest: Any) -> e.Expr:
        initial, over, result = without_tokens(rest)
        name, items = _iteration(over)
        return e.Reduce(total, initial, name, items, result)


def _iteration(over: e.Expr) -> tuple[str, e.Expr]:
    match over:
        case e.Binary(op="IN", left=e.Label(name=name), right=items):
            return name, items
    raise NgqlSyntaxError(f"The loop variable must be a label in list comprehension, near `{over.text()}'")
