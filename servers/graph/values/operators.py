"""The operators by their spelling, and the three-valued logic of AND, OR and XOR."""

from collections.abc import Callable, Iterable
from typing import Any

from servers.graph.values.arithmetic import (
    add,
    divide,
    logical_not,
    modulo,
    multiply,
    negate,
    subtract,
    unary_plus,
)
from servers.graph.values.comparison import (
    contains,
    ends_with,
    equal,
    greater,
    greater_or_equal,
    less,
    less_or_equal,
    matches,
    member_of,
    negated_operator,
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
    "IN": member_of,
    "NOT IN": negated_operator(member_of),
    "CONTAINS": contains,
    "NOT CONTAINS": negated_operator(contains),
    "STARTS WITH": starts_with,
    "NOT STARTS WITH": negated_operator(starts_with),
    "ENDS WITH": ends_with,
    "NOT ENDS WITH": negated_operator(ends_with),
}
UNARY: dict[str, Callable[[Any], Any]] = {"-": negate, "+": unary_plus, "!": logical_not}


def truth(value: Any) -> Any:
    """A value as a condition: a boolean, a NULL, whether a list has items; BAD_TYPE for other types."""
    if type(value) is bool or type(value) is Null:
        return value
    if type(value) is list:
        return bool(value)
    return NULL if type(value) is Empty else BAD_TYPE


def logical_and(left: Any, right: Any) -> Any:
    """`left AND right` of truths: False wins over NULL, though not over BAD_TYPE."""
    if left is False or right is False:
        return BAD_TYPE if BAD_TYPE in (left, right) else False
    return right if left is True else left


def logical_or(left: Any, right: Any) -> Any:
    """`left OR right` of truths: True wins over NULL, though not over BAD_TYPE."""
    if left is True or right is True:
        return BAD_TYPE if BAD_TYPE in (left, right) else True
    return right if left is False else left


def logical_xor(left: Any, right: Any) -> Any:
    """`left XOR right` of truths: a NULL of either is the result."""
    if type(left) is bool and type(right) is bool:
        return left != right
    return left if type(left) is Null else right


def _all(truths: Iterable[Any]) -> Any:
    return next((found for found in truths if found is not True), True)


def _any(truths: Iterable[Any]) -> Any:
    answer: Any = False
    for found in truths:
        if found is True or found is BAD_TYPE:
            return found
        answer = found or NULL if type(found) is Null else answer
    return answer


def _single(truths: Iterable[Any]) -> Any:
    count, unknown = 0, False
    for found in truths:
        if found is BAD_TYPE:
            return found
        unknown = unknown or type(found) is Null
        count += found is True
        if count > 1:
            return False
    return NULL if unknown else count == 1


def _none(truths: Iterable[Any]) -> Any:
    found = next((found for found in truths if found is not False), False)
    return not found if type(found) is bool else found


QUANTIFIERS: dict[str, Callable[[Iterable[Any]], Any]] = {
    "all": _all,
    "any": _any,
    "single": _single,
    "none": _none,
}
"""Three-valued; as in the cluster, what comes first decides."""
