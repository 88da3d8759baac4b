"""String functions (`substr`, `lpad`, `split`, `concat` …) and conversions (`toString`, `toInteger`, casts).

Positions and counts are code points; only `length` and `size` count UTF-8 bytes.
"""

import json
import math
import re
import uuid
from collections.abc import Callable
from typing import Any

from servers.graph.errors import ExecutionError
from servers.graph.values.arithmetic import MAX_LENGTH, bounded, concat_text
from servers.graph.values.types import (
    BAD_DATA,
    BAD_TYPE,
    EMPTY,
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
    Path,
    Time,
)

INTEGER_TEXT = re.compile(r"\s*[+-]?\d+\s*$")


def text(run: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a function of a text.

    NULL and EMPTY in any argument give NULL, a first argument that is no text BAD_TYPE.
    """

    def guarded(value: Any, *rest: Any) -> Any:
        for item in (value, *rest):
            if isinstance(item, Null | Empty):
                return NULL
        return run(value, *rest) if type(value) is str else BAD_TYPE

    return guarded


def compare(left: Any, right: Any) -> Any:
    """Order of two texts by code point: -1, 0 or 1.

    NULL gives NULL, other types BAD_TYPE; `strcasecmp` lowers them first.
    """
    if type(left) is not str or type(right) is not str:
        return NULL if isinstance(left, Null) or isinstance(right, Null) else BAD_TYPE
    return (left > right) - (left < right)


def left(value: str, count: Any) -> Any:
    """`left(text, count)`: the first code points.

    A negative count gives ""; one that is no integer BAD_TYPE.
    """
    return _counted(count, lambda: value[:count])


def right(value: str, count: Any) -> Any:
    """`right(text, count)`: the last code points.

    A negative count gives ""; one that is no integer BAD_TYPE.
    """
    return _counted(count, lambda: value[-count:] if count else "")


def _counted(count: Any, run: Callable[[], str]) -> Any:
    if type(count) is not int:
        return BAD_TYPE
    return run() if count >= 0 else ""


def pad_left(value: str, size: Any, fill: Any) -> Any:
    """`lpad(text, size, fill)`: filled on the left, or cut, to `size` code points.

    "" for a negative size or an empty fill that is needed; BAD_DATA beyond MAX_LENGTH; BAD_TYPE for wrong
    types.
    """
    return _padded(value, size, fill, lambda lack: lack + value)


def pad_right(value: str, size: Any, fill: Any) -> Any:
    """`rpad(text, size, fill)`: filled on the right, or cut, to `size` code points; else as `lpad`."""
    return _padded(value, size, fill, lambda lack: value + lack)


def _padded(value: str, size: Any, fill: Any, join: Callable[[str], str]) -> Any:
    if type(size) is not int or type(fill) is not str:
        return BAD_TYPE
    if size < 0 or (size > len(value) and not fill):
        return ""
    if size > MAX_LENGTH:
        return BAD_DATA
    if size <= len(value):
        return value[:size]
    lack = size - len(value)
    return join((fill * (lack // len(fill) + 1))[:lack])


def substr(value: str, start: Any, count: Any = None) -> Any:
    """`substr(text, start, count)`: code points from `start`, counted from 0; without `count` to the end.

    A negative number gives BAD_DATA, one that is no integer BAD_TYPE.
    """
    if type(start) is not int or (count is not None and type(count) is not int):
        return BAD_TYPE
    if start < 0 or (count is not None and count < 0):
        return BAD_DATA
    return value[start:] if count is None else value[start : start + count]


def replace(value: str, old: Any, new: Any) -> Any:
    """`replace(text, old, new)`: every occurrence; an empty `old` changes nothing.

    What is no text gives BAD_TYPE, a result longer than MAX_LENGTH BAD_DATA.
    """
    if type(old) is not str or type(new) is not str:
        return BAD_TYPE
    made = value.replace(old, new) if old else value
    return made if len(made) <= MAX_LENGTH else BAD_DATA


def split(value: str, separator: Any) -> Any:
    """`split(text, separator)`: a list; an empty separator splits into code points.

    No text as separator: BAD_TYPE.
    """
    if type(separator) is not str:
        return BAD_TYPE
    return value.split(separator) if separator else list(value)


def concat(*values: Any) -> Any:
    """`concat(value, …)`: the texts of the values joined; a NULL or EMPTY among them gives NULL.

    Raises `MemoryExceeded`.
    """
    if any(isinstance(value, Null | Empty) for value in values):
        return NULL
    return bounded("".join(map(concat_text, values)))


def concat_ws(separator: Any, *values: Any) -> Any:
    """`concat_ws(separator, value, …)`: joined with a separator, NULL and EMPTY left out.

    A separator that is no text gives NULL. Raises `MemoryExceeded`.
    """
    if type(separator) is not str:
        return NULL
    return bounded(
        separator.join(concat_text(value) for value in values if not isinstance(value, Null | Empty))
    )


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


def reverse(value: Any) -> Any:
    """`reverse(text | list)`: NULL and EMPTY give NULL, other types BAD_TYPE."""
    return value[::-1] if isinstance(value, str | list) else _none(value)


def _none(value: Any) -> Any:
    return NULL if isinstance(value, Null | Empty) else BAD_TYPE


def length_of(value: Any) -> Any:
    """`length(text | path)`: UTF-8 bytes, or edges. NULL and EMPTY give NULL, other types BAD_TYPE."""
    if type(value) is str:
        return len(value.encode())
    return len(value.edges) if type(value) is Path else _none(value)


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
    found = run(value)
    return EMPTY if found is EMPTY else found


def _to_bool(value: Any) -> Any:
    if type(value) in (int, float):
        return value != 0
    return to_boolean(value)


FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "strcasecmp": (lambda a, b: compare(_lower(a), _lower(b)), 2, 2, "INT"),
    "lower": (text(str.lower), 1, 1, "STRING"),
    "tolower": (text(str.lower), 1, 1, "STRING"),
    "upper": (text(str.upper), 1, 1, "STRING"),
    "toupper": (text(str.upper), 1, 1, "STRING"),
    "length": (length_of, 1, 1, "INT"),
    "trim": (text(lambda value: value.strip(" ")), 1, 1, "STRING"),
    "ltrim": (text(lambda value: value.lstrip(" ")), 1, 1, "STRING"),
    "rtrim": (text(lambda value: value.rstrip(" ")), 1, 1, "STRING"),
    "left": (text(left), 2, 2, "STRING"),
    "right": (text(right), 2, 2, "STRING"),
    "lpad": (text(pad_left), 3, 3, "STRING"),
    "rpad": (text(pad_right), 3, 3, "STRING"),
    "substr": (text(substr), 2, 3, "STRING"),
    "substring": (text(substr), 2, 3, "STRING"),
    "replace": (text(replace), 3, 3, "STRING"),
    "split": (text(split), 2, 2, "LIST"),
    "reverse": (reverse, 1, 1),
    "concat": (concat, 1, None, "STRING"),
    "concat_ws": (concat_ws, 2, None, "STRING"),
    "tostring": (to_string, 1, 1, "STRING"),
    "toboolean": (to_boolean, 1, 1, "BOOL"),
    "tofloat": (to_float, 1, 1, "FLOAT"),
    "tointeger": (to_integer, 1, 1, "INT"),
    "toset": (to_set, 1, 1, "SET"),
    "json_extract": (text(json_extract), 1, 1, "MAP"),
    "uuid": (lambda: str(uuid.uuid4()), 0, 0, "STRING"),
}


def _lower(value: Any) -> Any:
    return value.lower() if type(value) is str else value
