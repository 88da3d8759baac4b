"""Functions of lists, maps and sets (`size`, `range`, `head`, `keys` …), and `coalesce`.

Where nothing else is said: NULL and EMPTY give NULL, other types BAD_TYPE.
"""

from typing import Any

from servers.graph.errors import ExecutionError
from servers.graph.values.comparison import equal
from servers.graph.values.types import BAD_TYPE, NULL, Edge, Empty, NSet, Null, Path, Vertex

MAX_LENGTH = 1_000_000
"""Items that `range` may make."""


def keys(value: Any) -> Any:
    """`keys(map | vertex | edge)`: the names, a vertex's and an edge's sorted."""
    match value:
        case dict():
            return list(value)
        case Vertex():
            return sorted({name for props in value.tags.values() for name in props})
        case Edge():
            return sorted(value.props)
    return _none(value)


def labels(value: Any) -> Any:
    """`labels(vertex)` and `tags(vertex)`: the names of its tags."""
    return list(value.tags) if type(value) is Vertex else _none(value)


def nodes(value: Any) -> Any:
    """`nodes(path)`: its vertices in order."""
    return list(value.vertices) if type(value) is Path else _none(value)


def relationships(value: Any) -> Any:
    """`relationships(path)`: its edges in order."""
    return list(value.edges) if type(value) is Path else _none(value)


def size(value: Any) -> Any:
    """`size(text | list | map | set)`: UTF-8 bytes of a text, items of the others."""
    if type(value) is str:
        return len(value.encode())
    return len(value) if isinstance(value, list | dict | NSet) else _none(value)


def span(start: Any, end: Any, step: Any = 1) -> Any:
    """`range(start, end, step = 1)`: integers, both ends included.

    A NULL gives NULL; what is no integer, and a step of 0, BAD_TYPE. Raises `ExecutionError` for more than
    MAX_LENGTH items.
    """
    if any(type(value) is not int for value in (start, end, step)):
        return NULL if any(isinstance(value, Null) for value in (start, end, step)) else BAD_TYPE
    if step == 0:
        return BAD_TYPE
    made = range(start, end + (1 if step > 0 else -1), step)
    if len(made) > MAX_LENGTH:
        raise ExecutionError(f"range of {len(made)} items is more than {MAX_LENGTH}")
    return list(made)


def head(value: Any) -> Any:
    """`head(list)`: the first item, NULL of an empty list."""
    return (value[0] if value else NULL) if type(value) is list else _none(value)


def last(value: Any) -> Any:
    """`last(list)`: the last item, NULL of an empty list."""
    return (value[-1] if value else NULL) if type(value) is list else _none(value)


def tail(value: Any) -> Any:
    """`tail(list)`: all but the first item."""
    return value[1:] if type(value) is list else _none(value)


def coalesce(*values: Any) -> Any:
    """`coalesce(value, …)` or `coalesce(list)`: the first that is not NULL, else NULL.

    EMPTY counts as a value.
    """
    items = values[0] if len(values) == 1 and type(values[0]) is list else values
    return next((item for item in items if not isinstance(item, Null)), NULL)


def is_in(*values: Any) -> bool:
    """`udf_is_in(value, item, …)`: whether the value is one of the items."""
    return values[0] in values[1:]


def _none(value: Any) -> Any:
    return NULL if isinstance(value, Null | Empty) else BAD_TYPE


def erase(value: Any, item: Any) -> Any:
    """`erase(list | set, item)`: without the items that equal it; other types BAD_TYPE."""
    if type(value) is list:
        return [other for other in value if equal(other, item) is not True]
    return NSet(other for other in value if other != item) if type(value) is NSet else BAD_TYPE


def set_add(value: Any, item: Any) -> Any:
    """`setadd(set, item)`: with the item; other types BAD_TYPE."""
    return NSet([*value, item]) if type(value) is NSet else BAD_TYPE


FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "keys": (keys, 1, 1, "LIST"),
    "labels": (labels, 1, 1, "LIST"),
    "tags": (labels, 1, 1, "LIST"),
    "nodes": (nodes, 1, 1, "LIST"),
    "relationships": (relationships, 1, 1, "LIST"),
    "size": (size, 1, 1, "INT"),
    "range": (span, 2, 3, "LIST"),
    "head": (head, 1, 1),
    "last": (last, 1, 1),
    "tail": (tail, 1, 1, "LIST"),
    "coalesce": (coalesce, 1, None),
    "udf_is_in": (is_in, 2, None, "BOOL"),
    "erase": (erase, 2, 2),
    "setadd": (set_add, 2, 2, "SET"),
}
