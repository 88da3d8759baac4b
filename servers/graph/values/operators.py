"""The operators of expressions, by the way they are spelt, and three-valued logic."""

from collections.abc import Callable
from typing import Any

from servers.graph.values.arithmetic import (
    add,
    divide,
    keep_sign,
    logical_not,
    modulo,
    multiply,
    negate,
    subtract,
)
from servers.graph.values.comparison import (
    contained,
    contains,
    ends_with,
    equal,
    greater,
    greater_or_equal,
    less,
    less_or_equal,
    matches,
    negation,
    not_equal,
    starts_with,
)
from servers.graph.values.types import BAD_TYPE, NULL, Empty, Null

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": modulo,
    "==": equal,
    "!=": not_equal,
    "<": less,
    "<=": less_or_equal,
    ">": greater,
    ">=": greater_or_equal,
    "=~": matches,
    "IN": contained,
    "NOT IN": negation(contained),
    "CONTAINS": contains,
    "NOT CONTAINS": negation(contains),
    "STARTS WITH": starts_with,
    "NOT STARTS WITH": negation(starts_with),
    "ENDS WITH": ends_with,
    "NOT ENDS WITH": negation(ends_with),
}
UNARY: dict[str, Callable[[Any], Any]] = {"-": negate, "+": keep_sign, "!": logical_not}


def truth(value: Any) -> Any:
    """A value as an operand of AND, OR, XOR: a bool, or a NULL."""
    if type(value) is bool or type(value) is Null:
        return value
    return NULL if type(value) is Empty else BAD_TYPE


def both(left: Any, right: Any) -> Any:
    if left is False or right is False:
        return BAD_TYPE if BAD_TYPE in (left, right) else False
    return right if left is True else left


def either(left: Any, right: Any) -> Any:
    if left is True or right is True:
        return BAD_TYPE if BAD_TYPE in (left, right) else True
    return right if left is False else left


def exclusive(left: Any, right: Any) -> Any:
    if type(left) is bool and type(right) is bool:
        return left != right
    return left if type(left) is Null else right
