"""Arithmetic operators (+ - * / %) as Nebula defines them. NULLs are results, never exceptions.

Where nothing else is said: an operand that is NULL, or else EMPTY, is the result; unfit types give BAD_TYPE.
"""

import math
from typing import Any

from servers.graph.errors import MemoryExceeded
from servers.graph.values import temporal as t
from servers.graph.values.text import concat_text
from servers.graph.values.types import (
    BAD_TYPE,
    DIV_BY_ZERO,
    MAX_INT,
    MIN_INT,
    OVERFLOW,
    Date,
    DateTime,
    Duration,
    Empty,
    Null,
    Time,
    identity,
)

EPSILON = 1e-8
"""Floats nearer to each other are equal, and nearer to 0 are 0, as in Nebula."""

MAX_LENGTH = 4 * 2**20
"""Characters of a text or items of a list that an expression may make."""


def is_number(value: Any) -> bool:
    """Whether it is an integer or a float; a boolean is neither."""
    kind = type(value)
    return kind is int or kind is float


def checked_int(value: int) -> Any:
    """An integer, or the OVERFLOW NULL beyond 64 bits."""
    return value if MIN_INT <= value <= MAX_INT else OVERFLOW


def null_operand(left: Any, right: Any) -> Any:
    """The operand that is NULL, else the one that is EMPTY; None when neither is."""
    for value in (left, right):
        if type(value) is Null:
            return value
    for value in (left, right):
        if type(value) is Empty:
            return value
    return None


def add(left: Any, right: Any) -> Any:
    """`left + right`: numbers, texts and what joins them, lists and items, dates and times and durations.

    Integers beyond 64 bits give OVERFLOW. Raises `MemoryExceeded`.
    """
    if type(left) is int and type(right) is int:
        return checked_int(left + right)
    gone = null_operand(left, right)
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
    if len(value) > MAX_LENGTH:
        raise MemoryExceeded(f"a value of {len(value)} items is more than {MAX_LENGTH}")
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
    """`left - right`: numbers, dates (days between), lists (the right one's items go), times, durations."""
    if type(left) is int and type(right) is int:
        return checked_int(left - right)
    gone = null_operand(left, right)
    if gone is not None:
        return gone
    if is_number(left) and is_number(right):
        return float(left - right)
    if type(left) is Date and type(right) is Date:
        return t.days_of_date(left) - t.days_of_date(right)
    if type(left) is list and type(right) is list:
        dropped = set(map(identity, right))
        return [item for item in left if identity(item) not in dropped]
    if isinstance(right, Duration | int) and type(right) is not bool:
        return _shift(left, right, -1)
    return BAD_TYPE


def multiply(left: Any, right: Any) -> Any:
    """`left * right` of numbers; integers beyond 64 bits give OVERFLOW."""
    gone = null_operand(left, right)
    if gone is not None:
        return gone
    if not (is_number(left) and is_number(right)):
        return BAD_TYPE
    if type(left) is int and type(right) is int:
        return checked_int(left * right)
    return float(left) * right


def divide(left: Any, right: Any) -> Any:
    """`left / right` of numbers; integers are cut towards zero, and by zero give DIV_BY_ZERO.

    Floats by zero are infinite or NaN.
    """
    bad = _undivided(left, right)
    if bad is not None:
        return bad
    if type(left) is int and type(right) is int:
        return checked_int(_truncated(left, right))
    if right == 0:
        negative = math.copysign(1, left) != math.copysign(1, right)
        return math.nan if left == 0 or math.isnan(left) else -math.inf if negative else math.inf
    return left / right


def _undivided(left: Any, right: Any) -> Any:
    """What a division gives that can not be made; None when it can."""
    gone = null_operand(left, right)
    if gone is not None:
        return gone
    if not (is_number(left) and is_number(right)):
        return BAD_TYPE
    return DIV_BY_ZERO if type(left) is type(right) is int and right == 0 else None


def _truncated(left: int, right: int) -> int:
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def modulo(left: Any, right: Any) -> Any:
    """`left % right` of numbers, with the sign of `left`. By zero DIV_BY_ZERO, of floats NaN."""
    bad = _undivided(left, right)
    if bad is not None:
        return bad
    if type(left) is int and type(right) is int:
        return left - right * _truncated(left, right)
    return math.fmod(left, right) if right != 0 and math.isfinite(left) else math.nan


def negate(value: Any) -> Any:
    """`-value` of a number; of the smallest integer OVERFLOW."""
    if isinstance(value, Null | Empty):
        return value
    if type(value) is int:
        return checked_int(-value)
    return -value if type(value) is float else BAD_TYPE


def unary_plus(value: Any) -> Any:
    """`+value`: a number as it is."""
    return value if is_number(value) or isinstance(value, Null | Empty) else BAD_TYPE


def logical_not(value: Any) -> Any:
    """`!value`: three-valued, NULL and EMPTY stay."""
    if type(value) is bool:
        return not value
    return value if isinstance(value, Null | Empty) else BAD_TYPE
