"""Comparison and text operators (== < IN CONTAINS =~): True, False, or a NULL where that cannot be said."""

from collections.abc import Callable
from typing import Any

import regex

from servers.graph.values.arithmetic import EPSILON, is_number, null_operand
from servers.graph.values.ordering import order_key
from servers.graph.values.types import BAD_TYPE, NULL, Date, DateTime, Duration, Empty, NSet, Null, Time

REGEX_S = 2.0
"""A single match may take this long: a pattern can need exponential time."""


def equal(left: Any, right: Any) -> Any:
    """`left == right`: True, False or NULL.

    Numbers within EPSILON are equal, other unlike types are not; inside lists and maps NULL
    equals NULL.
    """
    kind = type(left)
    if kind is type(right):
        if kind is float:
            return abs(left - right) < EPSILON or left == right
        if kind is list:
            return _lists_equal(left, right)
        if kind is Null:
            return left if left is not NULL else right
        return _maps_equal(left, right) if kind is dict else left == right
    gone = left if kind is Null else right if type(right) is Null else None
    if gone is not None:
        return NULL
    if is_number(left) and is_number(right):
        return abs(left - right) < EPSILON or left == right
    return False


def _lists_equal(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))


def _maps_equal(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())


def same(left: Any, right: Any) -> bool:
    """Equality inside containers: NULL is NULL."""
    if type(left) is Null or type(right) is Null:
        return type(left) is type(right)
    return equal(left, right) is True


def not_equal(left: Any, right: Any) -> Any:
    """`left != right`: the opposite of `equal`, NULLs as they are."""
    found = equal(left, right)
    return not found if type(found) is bool else found


def less(left: Any, right: Any) -> Any:
    """`left < right`: True, False or NULL.

    Values of unlike types, maps and sets have no order: NULL; durations BAD_TYPE. EMPTY is less than all but
    itself.
    """
    left_kind, right_kind = type(left), type(right)
    if left_kind is right_kind and left_kind in _PLAIN:
        return left < right
    if left_kind is Null or right_kind is Null:
        return NULL
    if is_number(left) and is_number(right):
        return left < right
    if left_kind is Empty or right_kind is Empty:
        return left_kind is Empty and right_kind is not Empty
    if left_kind is not right_kind or left_kind is dict or left_kind is NSet:
        return NULL
    if left_kind is Duration:
        return BAD_TYPE
    return order_key(left) < order_key(right)


_PLAIN = frozenset({int, float, str, bool, Date, Time, DateTime})


def less_or_equal(left: Any, right: Any) -> Any:
    """`left <= right`: `less` or `equal`, NULL where `less` is."""
    return _or(less(left, right), equal(left, right))


def greater(left: Any, right: Any) -> Any:
    """`left > right`: `less` the other way round."""
    return less(right, left)


def greater_or_equal(left: Any, right: Any) -> Any:
    """`left >= right`: `greater` or `equal`, NULL where `greater` is."""
    return _or(less(right, left), equal(left, right))


def _or(first: Any, second: Any) -> Any:
    return first if type(first) is Null else first or second


def member_of(item: Any, container: Any) -> Any:
    """`item IN container`: a list, a set, or a map's keys.

    NULL for a NULL item, and where a NULL among the members leaves it open. Other containers give BAD_TYPE.
    """
    if type(container) is Null or type(container) is Empty:
        return NULL if type(container) is Null else container
    if type(container) is dict:
        return item in container if type(item) is str else BAD_TYPE
    if not isinstance(container, list | NSet):
        return BAD_TYPE
    if type(item) is Null:
        return NULL
    found = any(equal(item, member) is True for member in container)
    if found:
        return True
    return NULL if any(type(member) is Null for member in container) else False


def negated_operator(decide: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The operator whose True and False are swapped; NULLs as they are."""

    def negated(left: Any, right: Any) -> Any:
        found = decide(left, right)
        return not found if type(found) is bool else found

    return negated


def _textual(decide: Callable[[str, str], bool]) -> Callable[[Any, Any], Any]:
    def compare(left: Any, right: Any) -> Any:
        if type(left) is str and type(right) is str:
            return decide(left, right)
        return BAD_TYPE if null_operand(left, right) is None else NULL

    return compare


def _matches(text: str, pattern: str) -> Any:
    try:
        return regex.fullmatch(pattern, text, timeout=REGEX_S, concurrent=True) is not None
    except (regex.error, TimeoutError):
        return BAD_TYPE


matches = _textual(_matches)
contains = _textual(lambda left, right: right in left)
starts_with = _textual(str.startswith)
ends_with = _textual(str.endswith)
