"""String functions: `substr`, `lpad`, `split`, `concat` and their kin. Conversions are in `conversions`.

Positions and counts are code points; only `length` and `size` count UTF-8 bytes.
"""

import uuid
from collections.abc import Callable
from typing import Any

import regex

from servers.graph.values.arithmetic import MAX_LENGTH, bounded
from servers.graph.values.comparison import REGEX_S, equal
from servers.graph.values.text import concat_text
from servers.graph.values.types import (
    BAD_DATA,
    BAD_TYPE,
    NULL,
    Empty,
    NSet,
    Null,
    Path,
)


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


def replaced(value: Any, old: Any, new: Any) -> Any:
    """`replace(text, old, new)`, and of a list or set every item that equals `old`; NULL as in `text`."""
    if any(isinstance(item, Null | Empty) for item in (value, old, new)):
        return NULL
    if type(value) is list:
        return [new if equal(item, old) is True else item for item in value]
    if type(value) is NSet:
        return NSet([*(item for item in value if item != old), new]) if old in value else value
    return replace(value, old, new) if type(value) is str else BAD_TYPE


def split(value: str, separator: Any) -> Any:
    """`split(text, separator)`: a list; an empty separator splits into code points.

    No text as separator: BAD_TYPE.
    """
    if type(separator) is not str:
        return BAD_TYPE
    return value.split(separator) if separator else list(value)


def extract(value: str, pattern: Any) -> Any:
    """`extract(text, pattern)`: the list of what a regular expression matches, from left to right.

    A pattern that is no text, or none, gives BAD_TYPE, as does one that needs longer than REGEX_S.
    """
    if type(pattern) is not str:
        return BAD_TYPE
    try:
        found = regex.finditer(pattern, value, timeout=REGEX_S, concurrent=True)
        return [match[0] for match in found]
    except (regex.error, TimeoutError):
        return BAD_TYPE


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
    "replace": (replaced, 3, 3),
    "split": (text(split), 2, 2, "LIST"),
    "extract": (text(extract), 2, 2, "LIST"),
    "reverse": (reverse, 1, 1),
    "concat": (concat, 1, None, "STRING"),
    "concat_ws": (concat_ws, 2, None, "STRING"),
    "uuid": (lambda: str(uuid.uuid4()), 0, 0, "STRING"),
}


def _lower(value: Any) -> Any:
    return value.lower() if type(value) is str else value
