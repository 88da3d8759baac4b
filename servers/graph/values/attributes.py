"""Attribute access and subscripts: what `value.name` and `value[index]` give, for any value."""

from typing import Any

from servers.graph.values.types import (
    BAD_TYPE,
    NULL,
    OUT_OF_RANGE,
    UNKNOWN_PROP,
    Date,
    DateTime,
    Duration,
    Edge,
    Empty,
    Null,
    Time,
    Vertex,
)


def attribute(value: Any, name: str) -> Any:
    """`value.name` of a map, vertex, edge, date, time or duration.

    What a map, a vertex or an edge lacks is NULL, what a date lacks UNKNOWN_PROP. A vertex has its tags, each
    a map of properties. NULL and EMPTY give NULL, other types BAD_TYPE.
    """
    if type(value) is dict:
        return value.get(name, NULL)
    if isinstance(value, Null | Empty):
        return NULL
    if type(value) is Vertex:
        return _of_vertex(value, name)
    if type(value) is Edge:
        return _of_edge(value, name)
    return _of_moment(value, name)


def _of_vertex(value: Vertex, name: str) -> Any:
    if name == "_vid":
        return value.vid
    return value.tags.get(name, NULL)


def _of_edge(value: Edge, name: str) -> Any:
    if name in value.props:
        return value.props[name]
    special = {"_src": value.src, "_dst": value.dst, "_rank": value.rank, "_type": value.name}
    return special.get(name, NULL)


def _of_moment(value: Any, name: str) -> Any:
    if isinstance(value, Date | Time | DateTime | Duration):
        field = "micro" if name.lower() == "microsecond" else name.lower()
        return getattr(value, field) if field in value.__slots__ else UNKNOWN_PROP
    return BAD_TYPE


def subscript(value: Any, index: Any) -> Any:
    """`value[index]` of a list, map, vertex or edge; of a vertex, a property of any of its tags.

    Beyond a list OUT_OF_RANGE, a key that a map lacks UNKNOWN_PROP, what an element lacks NULL, as are NULL
    and EMPTY; other types BAD_TYPE.
    """
    if type(value) is list:
        if type(index) is not int:
            return BAD_TYPE
        return value[index] if -len(value) <= index < len(value) else OUT_OF_RANGE
    if type(value) is dict:
        return value.get(index, UNKNOWN_PROP) if type(index) is str else BAD_TYPE
    if type(value) is Vertex and type(index) is str and index != "_vid":
        return next((props[index] for props in value.tags.values() if index in props), NULL)
    if type(value) in (Vertex, Edge):
        return attribute(value, index) if type(index) is str else BAD_TYPE
    return NULL if isinstance(value, Null | Empty) else BAD_TYPE
