"""The type checker: constant folding, type deduction, and the refusals that Nebula words this way."""

from typing import Any

from servers.graph.engine.evaluate import compile_expr
from servers.graph.engine.execution import Execution, QueryLimits
from servers.graph.engine.expression_tree import is_aggregate, rewrite, walk
from servers.graph.engine.frame import Frame
from servers.graph.engine.scope import UNKNOWN, Scope
from servers.graph.errors import NgqlSyntaxError, SemanticError
from servers.graph.functions.registry import find_function
from servers.graph.language import expressions as e
from servers.graph.values.operators import BINARY, UNARY
from servers.graph.values.types import (
    BAD_TYPE,
    DIV_BY_ZERO,
    NULL,
    OVERFLOW,
    Date,
    DateTime,
    Duration,
    Edge,
    NSet,
    Parameters,
    Path,
    Time,
    Vertex,
    type_name,
)

SAMPLES: dict[str, Any] = {
    "INT": 1,
    "FLOAT": 1.5,
    "STRING": "a",
    "BOOL": True,
    "LIST": [],
    "MAP": {},
    "SET": NSet(),
    "DATE": Date(2020, 1, 1),
    "TIME": Time(1, 1, 1),
    "DATETIME": DateTime(2020, 1, 1),
    "DURATION": Duration(),
    "VERTEX": Vertex("a"),
    "EDGE": Edge("a", "b", 1, "e", 0),
    "PATH": Path([Vertex("a")], []),
}
NULL_NAME = "NULL"
LOGIC = {"AND": "&&' or `AND' operator", "OR": "||' or `OR' operator", "XOR": "XOR' operator"}
"""Each as the refusal of its operands names it."""

TRUTHS = ("BOOL", "LIST")
ARITHMETIC = frozenset("+-*/%")
_CONSTANT_SCOPE = Scope()
_CONSTANT_FRAME = Frame(Execution(QueryLimits(), float("inf"), {}))


def fold(node: e.Expr) -> e.Expr:
    """The expression with its constant arithmetic done. Raises `SemanticError` for what cannot be."""
    return rewrite(node, _fold_one)


CHECKED_WHEN_FOLDED = frozenset({"WITH", "CONTAINS", "=~"})
"""The last words of the operators whose constant operands are looked at while folding."""

DATA_OF_WRONG_TYPE = frozenset({"round", "json_extract", "toset"})
"""Functions of whose constant arguments the cluster finds fault only when it deduces types."""


def _fold_one(node: e.Expr) -> e.Expr | None:
    match node:
        case e.Call(arguments=[_, *_]) if not is_aggregate(node):
            folded = e.Call(node.name, [fold(item) for item in node.arguments], node.distinct, node.star)
            _check_call(folded)
            return folded
        case e.Binary(op=op, left=left, right=right) if op.split()[-1] in CHECKED_WHEN_FOLDED:
            one, other = fold(left), fold(right)
            made, known = e.Binary(op, one, other), type(one) is type(other) is e.Const
            if known and BINARY[op](_plain(one), _plain(other)) is BAD_TYPE:
                raise SemanticError(f"Type error `{made.text()}'")
            return made
        case e.Binary(op=op, left=left, right=right) if op in ARITHMETIC:
            left, right = fold(left), fold(right)
            if type(left) is e.Const and type(right) is e.Const:
                return _constant(e.Binary(op, left, right), BINARY[op](left.value, right.value))
            return e.Binary(op, left, right)
        case e.Unary(op="-" as op, operand=operand):
            operand = fold(operand)
            if type(operand) is e.Const:
                return _constant(e.Unary(op, operand), UNARY[op](operand.value))
            return e.Unary(op, operand)
    return None


def _check_call(node: e.Call) -> None:
    """Refuse a call of constants that no value can come of. Raises `SemanticError`."""
    values = [_plain(argument) for argument in node.arguments]
    function = find_function(node.name, len(values))
    if function is None or node.name.lower() in DATA_OF_WRONG_TYPE or None in values:
        return
    if function.run(*values) is BAD_TYPE:
        raise SemanticError(f"Type error `{node.text()}'")


def _plain(node: e.Expr) -> Any:
    """The value of a literal that is no parameter's slot; None for any other expression."""
    if isinstance(node, e.ListLiteral):
        items = [_plain(item) for item in node.items]
        return None if None in items else items
    return node.value if isinstance(node, e.Const) else None


def _constant(node: e.Expr, value: Any) -> e.Expr:
    if value is OVERFLOW:
        raise SemanticError(f"result of {node.text()} cannot be represented as an integer")
    if value is DIV_BY_ZERO:
        raise SemanticError("Divide by 0")
    return node if value is BAD_TYPE else e.Const(value)


def constant(node: e.Expr, parameters: Parameters | None = None) -> Any:
    """The value of an expression that needs no row. Raises `SemanticError` for names."""
    scope = Scope(parameters=parameters) if parameters else _CONSTANT_SCOPE
    return compile_expr(node, scope)(_CONSTANT_FRAME)


def deduce(node: e.Expr, scope: Scope) -> str:
    """The type of an expression (INT, STRING …), UNKNOWN when only running can tell.

    Raises `SemanticError`.
    """
    deducer = _DEDUCERS.get(type(node))
    return deducer(node, scope) if deducer else scope.type_of(node)


def _certain(kind: str) -> bool:
    return kind in SAMPLES


def _refuse(node: e.Expr, op: str, *kinds: str) -> SemanticError:
    operands = " and ".join(f"`{kind}'" for kind in kinds)
    quoted = f"`{op}" if op.endswith("operator") else f"`{op}'"
    return SemanticError(f"`{node.text()}' is not a valid expression, can not apply {quoted} to {operands}.")


def _binary(node: e.Binary, scope: Scope) -> str:
    left, right = deduce(node.left, scope), deduce(node.right, scope)
    if node.op in LOGIC:
        if any(_certain(kind) and kind not in TRUTHS for kind in (left, right)):
            raise _refuse(node, LOGIC[node.op], left, right)
        return "BOOL"
    if node.op not in ARITHMETIC:
        return _relation(node, right)
    if not (_certain(left) and _certain(right)):
        if not _possible(node.op, left, right):
            raise _refuse(node, node.op, left, right)
        return UNKNOWN
    value = BINARY[node.op](SAMPLES[left], SAMPLES[right])
    if value is BAD_TYPE:
        raise _refuse(node, node.op, left, right)
    return type_name(value)


def _possible(op: str, left: str, right: str) -> bool:
    """Whether some type of the unknown operands would do."""
    if NULL_NAME in (left, right) or UNKNOWN == left == right:
        return True
    lefts = [SAMPLES[left]] if _certain(left) else list(SAMPLES.values())
    rights = [SAMPLES[right]] if _certain(right) else list(SAMPLES.values())
    return any(BINARY[op](one, other) is not BAD_TYPE for one in lefts for other in rights)


def _relation(node: e.Binary, right: str) -> str:
    if node.op in ("IN", "NOT IN") and _certain(right) and right not in ("LIST", "SET", "MAP"):
        raise SemanticError(f"`{node.right.text()}', expected List/Set/Map, but was {right}")
    return "BOOL"


def _unary(node: e.Unary, scope: Scope) -> str:
    kind = deduce(node.operand, scope)
    if not _certain(kind):
        return UNKNOWN
    value = UNARY[node.op](SAMPLES[kind])
    if value is BAD_TYPE:
        raise _refuse(node, node.op, kind)
    return type_name(value)


def _call(node: e.Call, scope: Scope) -> str:
    kinds = [deduce(argument, scope) for argument in node.arguments]
    if is_aggregate(node):
        return {"count": "INT", "collect": "LIST", "collect_set": "SET", "avg": "FLOAT", "std": "FLOAT"}.get(
            node.name.lower(), UNKNOWN
        )
    function = find_function(node.name, len(kinds))
    if function is None or not all(map(_certain, kinds)):
        return function.result or UNKNOWN if function else UNKNOWN
    known = [_plain(argument) for argument in node.arguments]
    samples = [SAMPLES[kind] if value is None else value for value, kind in zip(known, kinds, strict=True)]
    if kinds and function.run(*samples) is BAD_TYPE:
        raise SemanticError(f"`{node.text()}' is not a valid expression : Parameter's type error")
    return function.result or UNKNOWN


def _cast(node: e.Cast, scope: Scope) -> str:
    deduce(node.operand, scope)
    kind = "INT" if node.type.startswith("INT") else node.type
    return {"DOUBLE": "FLOAT"}.get(kind, kind)


def _subscript(node: e.Subscript, scope: Scope) -> str:
    left = deduce(node.left, scope)
    if _certain(left) and left not in ("LIST", "MAP", "DATASET", "VERTEX", "EDGE"):
        raise SemanticError(f"`{node.left.text()}', expected List or Map but was {left}: {node.text()}")
    index = deduce(node.index, scope)
    if left == "LIST" and _certain(index) and index != "INT":
        raise SemanticError(f"`{node.text()}', expected Integer but was {index}: {node.index.text()}")
    return UNKNOWN


WITH_ATTRIBUTES = ("MAP", "VERTEX", "EDGE", "DATE", "TIME", "DATETIME", "DURATION")


def _attribute(node: e.Attr, scope: Scope) -> str:
    known = scope.type_of(node)
    if known != UNKNOWN or isinstance(node.left, e.Label | e.Ref | e.Variable | e.Attr):
        return known
    kind = deduce(node.left, scope)
    if _certain(kind) and kind not in WITH_ATTRIBUTES:
        raise SemanticError(
            f"`{node.text()}', expected type with attribute like Date, Time, DateTime, Map, "
            f"Vertex or Edge but was {kind}: {node.left.text()}"
        )
    return UNKNOWN


def _list(node: e.ListLiteral, scope: Scope) -> str:
    for item in node.items:
        deduce(item, scope)
    return "LIST"


def _set(node: e.SetLiteral, scope: Scope) -> str:
    for item in node.items:
        deduce(item, scope)
    return "SET"


def _case(node: e.Case, scope: Scope) -> str:
    for when, then in node.branches:
        deduce(when, scope)
        deduce(then, scope)
    return UNKNOWN


def _over(node: Any, scope: Scope) -> str:
    kind = deduce(node.items, scope)
    if _certain(kind) and kind not in ("LIST", "SET", "MAP"):
        raise SemanticError(f"`{node.items.text()}', expected LIST, but was {kind}")
    return "BOOL" if isinstance(node, e.Predicate) else UNKNOWN


def _comprehension(node: e.Comprehension, scope: Scope) -> str:
    _over(node, scope)
    return "LIST"


_DEDUCERS: dict[type, Any] = {
    e.Const: lambda node, _: UNKNOWN if node.value is NULL else type_name(node.value),
    e.Binary: _binary,
    e.Unary: _unary,
    e.Call: _call,
    e.Cast: _cast,
    e.Test: lambda node, scope: (deduce(node.operand, scope), "BOOL")[1],
    e.Subscript: _subscript,
    e.Attr: _attribute,
    e.Slice: lambda node, scope: (deduce(node.left, scope), "LIST")[1],
    e.ListLiteral: _list,
    e.SetLiteral: _set,
    e.MapLiteral: lambda _node, _scope: "MAP",
    e.Case: _case,
    e.Predicate: _over,
    e.Comprehension: _comprehension,
    e.Reduce: _over,
    e.PathExpr: lambda _node, _scope: "LIST",
}


def checked_filter(node: e.Expr, scope: Scope, *, truth: str = "Boolean", text: str | None = None) -> e.Expr:
    """A WHERE's or WHEN's expression, folded. Raises `SemanticError` unless it may be a truth.

    `truth` is how the statement's refusal spells it, `text` how it quotes the expression.
    """
    if any(is_aggregate(part) for part in walk(node)):
        raise NgqlSyntaxError(f"Invalid use of aggregating function in where clause. near `{node.text()}'")
    folded = fold(node)
    kind = deduce(folded, scope)
    if _certain(kind) and kind not in TRUTHS:
        raise SemanticError(f"`{text or node.text()}', expected {truth}, but was `{kind}'")
    return folded
