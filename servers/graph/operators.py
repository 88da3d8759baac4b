"""Arithmetic, comparison, logic and order as Nebula defines them. NULLs are results, never exceptions."""

import math
from collections.abc import Callable
from typing import Any

import regex

from servers.graph import temporal as t
from servers.graph.errors import MemoryExceeded
from servers.graph.values import (
    BAD_TYPE,
    DIV_BY_ZERO,
    MAX_INT,
    MIN_INT,
    NULL,
    OVERFLOW,
    Date,
    DateTime,
    Duration,
    Edge,
    Empty,
    NSet,
    Null,
    Path,
    Time,
    Vertex,
)

NUMBER = (int, float)
EPSILON = 1e-8
LONGEST = 4 * 2**20
"""Characters of a text or items of a list that an expression may make."""
REGEX_S = 2.0
"""A single match may take this long: a pattern can need exponential time."""


def is_number(value: Any) -> bool:
    kind = type(value)
    return kind is int or kind is float


def whole(value: int) -> Any:
    """An integer, or the overflow NULL."""
    return value if MIN_INT <= value <= MAX_INT else OVERFLOW


def missing(left: Any, right: Any) -> Any:
    """What an operation gives when an operand is NULL or EMPTY; None when neither is."""
    for value in (left, right):
        if type(value) is Null:
            return value
    for value in (left, right):
        if type(value) is Empty:
            return value
    return None


def concat_text(value: Any) -> str:
    """How a value joins a string."""
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is float:
        return text_of_number(value)
    return str(value)


def text_of_number(value: float) -> str:
    """A float as `toString` gives it: always with a point."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e16:
        return f"{value:.1f}"
    return repr(value)


def add(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int:
        return whole(left + right)
    gone = missing(left, right)
    if gone is not None:
        return gone
    if is_number(left) and is_number(right):
        return float(left + right)
    if type(left) is list:
        return bounded(left + right if type(right) is list else [*left, right])
    if type(right) is list:
        return bounded([left, *right])
    if type(left) is str or type(right) is str:
        return _joined(left, right)
    return _moved(left, right)


def bounded(value: Any) -> Any:
    """A text or a list, unless it is longer than one value may be. Raises `MemoryExceeded`."""
    if len(value) > LONGEST:
        raise MemoryExceeded(f"a value of {len(value)} items is more than {LONGEST}")
    return value


def _joined(left: Any, right: Any) -> Any:
    other = right if type(left) is str else left
    if isinstance(other, str | bool | int | float | Date | Time | DateTime | Duration):
        return bounded(concat_text(left) + concat_text(right))
    return BAD_TYPE


def _moved(left: Any, right: Any) -> Any:
    if isinstance(right, Duration | int) and not isinstance(right, bool):
        return _shift(left, right, 1)
    if isinstance(left, Duration):
        return _shift(right, left, 1)
    return BAD_TYPE


def _shift(value: Any, by: Any, sign: int) -> Any:
    match value, by:
        case Date(), int():
            return t.date_of_days(t.days_of_date(value) + sign * by)
        case Date(), Duration():
            return t.shift_date(value, by, sign)
        case DateTime(), Duration():
            return t.shift_datetime(value, by, sign)
        case Time(), Duration():
            return t.shift_time(value, by, sign)
        case Duration(), Duration():
            months, seconds = value.months + sign * by.months, value.seconds + sign * by.seconds
            return Duration(months, seconds, value.micros + sign * by.micros)
    return BAD_TYPE


def subtract(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int:
        return whole(left - right)
    gone = missing(left, right)
    if gone is not None:
        return gone
    if is_number(left) and is_number(right):
        return float(left - right)
    if type(left) is Date and type(right) is Date:
        return t.days_of_date(left) - t.days_of_date(right)
    if type(left) is list and type(right) is list:
        return [item for item in left if not any(equal(item, other) is True for other in right)]
    if isinstance(right, Duration | int) and type(right) is not bool:
        return _shift(left, right, -1)
    return BAD_TYPE


def multiply(left: Any, right: Any) -> Any:
    gone = missing(left, right)
    if gone is not None:
        return gone
    if not (is_number(left) and is_number(right)):
        return BAD_TYPE
    if type(left) is int and type(right) is int:
        return whole(left * right)
    return float(left) * right


def divide(left: Any, right: Any) -> Any:
    gone = missing(left, right)
    if gone is not None:
        return gone
    if not (is_number(left) and is_number(right)):
        return BAD_TYPE
    if abs(right) <= EPSILON if type(right) is float else right == 0:
        return DIV_BY_ZERO
    if type(left) is int and type(right) is int:
        return whole(_truncated(left, right))
    return left / right


def _truncated(left: int, right: int) -> int:
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def modulo(left: Any, right: Any) -> Any:
    gone = missing(left, right)
    if gone is not None:
        return gone
    if not (is_number(left) and is_number(right)):
        return BAD_TYPE
    if abs(right) <= EPSILON if type(right) is float else right == 0:
        return DIV_BY_ZERO
    if type(left) is int and type(right) is int:
        return left - right * _truncated(left, right)
    return math.fmod(left, right)


def negate(value: Any) -> Any:
    if isinstance(value, Null | Empty):
        return value
    if type(value) is int:
        return whole(-value)
    return -value if type(value) is float else BAD_TYPE


def keep_sign(value: Any) -> Any:
    return value if is_number(value) or isinstance(value, Null | Empty) else BAD_TYPE


def logical_not(value: Any) -> Any:
    if type(value) is bool:
        return not value
    return value if isinstance(value, Null | Empty) else BAD_TYPE


# ---------------------------------------------------------------- comparison


def equal(left: Any, right: Any) -> Any:
    """True, False or NULL."""
    kind = type(left)
    if kind is type(right):
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
    found = equal(left, right)
    return not found if type(found) is bool else found


def less(left: Any, right: Any) -> Any:
    """True, False, or a NULL: values of unlike types have no order."""
    left_kind, right_kind = type(left), type(right)
    if left_kind is right_kind and left_kind in _PLAIN:
        return left < right
    if left_kind is Null or right_kind is Null:
        return NULL
    if is_number(left) and is_number(right):
        return left < right
    if left_kind is Empty or right_kind is Empty:
        return left_kind is Empty and right_kind is not Empty
    if left_kind is not right_kind or left_kind is Duration or left_kind is dict or left_kind is NSet:
        return NULL
    return order_key(left) < order_key(right)


_PLAIN = frozenset({int, float, str, bool, Date, Time, DateTime})


def less_or_equal(left: Any, right: Any) -> Any:
    return _or(less(left, right), equal(left, right))


def greater(left: Any, right: Any) -> Any:
    return less(right, left)


def greater_or_equal(left: Any, right: Any) -> Any:
    return _or(less(right, left), equal(left, right))


def _or(first: Any, second: Any) -> Any:
    return first if type(first) is Null else first or second


def contained(item: Any, container: Any) -> Any:
    """`item IN container`, where NULL makes what is not found unknown."""
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


def _negated(decide: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def negated(left: Any, right: Any) -> Any:
        found = decide(left, right)
        return not found if type(found) is bool else found

    return negated


def _textual(decide: Callable[[str, str], bool]) -> Callable[[Any, Any], Any]:
    def compare(left: Any, right: Any) -> Any:
        if type(left) is str and type(right) is str:
            return decide(left, right)
        return BAD_TYPE if missing(left, right) is None else NULL

    return compare


def _matches(text: str, pattern: str) -> Any:
    try:
        return regex.fullmatch(pattern, text, timeout=REGEX_S, concurrent=True) is not None
    except (regex.error, TimeoutError):
        return BAD_TYPE


contains = _textual(lambda left, right: right in left)
starts_with = _textual(str.startswith)
ends_with = _textual(str.endswith)

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
    "=~": _textual(_matches),
    "IN": contained,
    "NOT IN": _negated(contained),
    "CONTAINS": contains,
    "NOT CONTAINS": _negated(contains),
    "STARTS WITH": starts_with,
    "NOT STARTS WITH": _negated(starts_with),
    "ENDS WITH": ends_with,
    "NOT ENDS WITH": _negated(ends_with),
}
UNARY: dict[str, Callable[[Any], Any]] = {"-": negate, "+": keep_sign, "!": logical_not}


# ---------------------------------------------------------------- logic


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


# ---------------------------------------------------------------- order of ORDER BY

RANKS: dict[type, int] = {
    Empty: 0,
    bool: 2,
    int: 3,
    float: 3,
    str: 4,
    Date: 5,
    Time: 6,
    DateTime: 7,
    Vertex: 8,
    Edge: 9,
    Path: 10,
    list: 11,
    dict: 12,
    NSet: 13,
    Duration: 14,
    Null: 99,
}


def order_key(value: Any) -> Any:
    """Sorts any values: types by rank, NULL last."""
    kind = type(value)
    if kind is str or kind is int or kind is float or kind is bool:
        return RANKS[kind], value
    if kind is list:
        return RANKS[kind], [order_key(item) for item in value]
    if kind is dict:
        return RANKS[kind], sorted((key, order_key(item)) for key, item in value.items())
    return RANKS[kind], _inner_key(value)


def _inner_key(value: Any) -> Any:
    match value:
        case Vertex():
            return order_key(value.vid)
        case Edge():
            src, kind, rank, dst = value.key
            return order_key(src), kind, rank, order_key(dst)
        case Path():
            return [order_key(vertex.vid) for vertex in value.vertices]
        case NSet():
            return [order_key(item) for item in value]
        case Duration():
            return value.months, value.seconds, value.micros
        case Null() | Empty():
            return 0
    return value


class Reversed:
    """Turns an order around, for descending factors."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __lt__(self, other: "Reversed") -> bool:
        return other.key < self.key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reversed) and self.key == other.key

    __hash__ = None  # type: ignore[assignment]
