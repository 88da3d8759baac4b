"""The sort order of ORDER BY, MIN and MAX: any values, types by rank, NULL last."""

from typing import Any

from servers.graph.values.types import Date, DateTime, Duration, Edge, Empty, NSet, Null, Path, Time, Vertex

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
    """A sort key for any value: types by RANKS, EMPTY first, NULL last; numbers together."""
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
    """A sort key turned around, for the descending factors of ORDER BY."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __lt__(self, other: "Reversed") -> bool:
        return other.key < self.key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reversed) and self.key == other.key

    __hash__ = None  # type: ignore[assignment] - keys are compared, never hashed
