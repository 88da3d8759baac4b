"""Type conversions: `toString`, `toInteger`, `toFloat`, `toBoolean`, `toSet`, `json_extract` and casts."""

import json
import math
import re
from typing import Any

from servers.graph.errors import ExecutionError
from servers.graph.functions.strings import text
from servers.graph.values.text import concat_text
from servers.graph.values.types import (
    BAD_DATA,
    BAD_TYPE,
    MAX_INT,
    MIN_INT,
    NULL,
    OVERFLOW,
    Date,
    DateTime,
    Duration,
    Empty,
    NSet,
    Null,
    Time,
)

INTEGER_TEXT = re.compile(r"\s*[+-]?\d+\s*$")


def to_string(value: Any) -> Any:
    """`toString(value)` of texts, booleans, numbers, dates and times.

    NULL and EMPTY stay, other types give BAD_TYPE.
    """
    if isinstance(value, str | bool | int | float | Date | Time | DateTime | Duration):
        return concat_text(value)
    return value if isinstance(value, Null | Empty) else BAD_TYPE


def to_boolean(value: Any) -> Any:
    """`toBoolean(boolean | text)`: "true" and "false" in any case, other texts NULL.

    NULL stays, EMPTY gives NULL, other types BAD_TYPE.
    """
    if type(value) is bool or isinstance(value, Null | Empty):
        return NULL if isinstance(value, Empty) else value
    if type(value) is str:
        return {"true": True, "false": False}.get(value.lower(), NULL)
    return BAD_TYPE


def to_float(value: Any) -> Any:
    """`toFloat(number | text)`.

    A text that is no number gives NULL, as do NULL and EMPTY; other types BAD_TYPE.
    """
    match value:
        case bool():
            return BAD_TYPE
        case int() | float():
            return float(value)
        case str():
            return _parsed(value)
        case Null() | Empty():
            return NULL
    return BAD_TYPE


def _parsed(value: str) -> Any:
    try:
        return float(value) if "_" not in value else NULL
    except ValueError:
        return NULL


def to_integer(value: Any) -> Any:
    """`toInteger(number | text)`: fractions cut towards zero, floats held within 64 bits.

    A whole number in a text beyond 64 bits gives OVERFLOW, a text that is no number NULL, as do NaN, NULL and
    EMPTY; other types BAD_TYPE.
    """
    match value:
        case bool():
            return BAD_TYPE
        case int():
            return value
        case str() if INTEGER_TEXT.match(value):
            number = int(value)
            return number if MIN_INT <= number <= MAX_INT else OVERFLOW
        case str():
            return _cut(_parsed(value))
        case float():
            return _cut(value)
        case Null() | Empty():
            return NULL
    return BAD_TYPE


def _cut(value: Any) -> Any:
    if type(value) is not float or math.isnan(value):
        return NULL
    if value >= MAX_INT:
        return MAX_INT
    return MIN_INT if value <= MIN_INT else int(value)


def to_set(value: Any) -> Any:
    """`toSet(list | set)`: NULL and EMPTY give NULL, other types BAD_TYPE."""
    if isinstance(value, list | NSet):
        return NSet(value)
    return NULL if isinstance(value, Null | Empty) else BAD_TYPE


def json_extract(value: str) -> Any:
    """`json_extract(text)`: a JSON object as a map.

    No object: BAD_DATA, as is whatever lies more than five containers deep.
    """
    try:
        found = json.loads(value)
    except ValueError:
        return BAD_DATA
    return _from_json(found, 0) if isinstance(found, dict) else BAD_DATA


def _from_json(value: Any, depth: int) -> Any:
    if value is None:
        return NULL
    if isinstance(value, dict):
        return {key: _from_json(item, depth + 1) for key, item in value.items()} if depth < 5 else BAD_DATA
    if isinstance(value, list):
        return [_from_json(item, depth + 1) for item in value] if depth < 5 else BAD_DATA
    return value


def cast(kind: str, value: Any) -> Any:
    """`(INT)x`, `(FLOAT)x`, `(DOUBLE)x`, `(STRING)x`, `(BOOL)x`.

    As `toInteger` and its kin, and numbers to booleans. Raises `ExecutionError` for other types.
    """
    convert = {
        "INT": to_integer,
        "FLOAT": to_float,
        "DOUBLE": to_float,
        "STRING": to_string,
        "BOOL": _to_bool,
    }
    run = convert.get("INT" if kind.startswith("INT") else kind)
    if run is None:
        raise ExecutionError(f"Can not cast to {kind}")
    return run(value)


def _to_bool(value: Any) -> Any:
    if type(value) in (int, float):
        return value != 0
    return to_boolean(value)


FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "tostring": (to_string, 1, 1, "STRING"),
    "toboolean": (to_boolean, 1, 1, "BOOL"),
    "tofloat": (to_float, 1, 1, "FLOAT"),
    "tointeger": (to_integer, 1, 1, "INT"),
    "toset": (to_set, 1, 1, "SET"),
    "json_extract": (text(json_extract), 1, 1, "MAP"),
}
