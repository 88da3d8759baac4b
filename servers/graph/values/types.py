"""The types of nGQL's values: Python's own, plus NULLs, EMPTY, dates, durations, vertices, edges and paths.

Integers are 64-bit, `str` is text, `list` and `dict` are lists and maps, `NSet` is a set.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Props = dict[str, Any]
"""Properties by name. A value is one of the types of this file or Python's; only running tells which."""

Tags = dict[str, Props]
"""Properties by tag."""

Parameters = dict[str, Any]
"""Values by the name of a `$parameter`."""

MIN_INT, MAX_INT = -(2**63), 2**63 - 1


class Null:
    """One of NULL's kinds; compare by identity. `kind` is thrift's number of it."""

    __slots__ = ("kind", "name")

    def __init__(self, kind: int, name: str) -> None:
        self.kind, self.name = kind, name

    def __repr__(self) -> str:
        return self.name

    def __bool__(self) -> bool:
        return False


NULL = Null(0, "NULL")
NAN = Null(1, "__NULL_NaN__")
BAD_DATA = Null(2, "__NULL_BAD_DATA__")
BAD_TYPE = Null(3, "__NULL_BAD_TYPE__")
OVERFLOW = Null(4, "__NULL_OVERFLOW__")
UNKNOWN_PROP = Null(5, "__NULL_UNKNOWN_PROP__")
DIV_BY_ZERO = Null(6, "__NULL_DIV_BY_ZERO__")
OUT_OF_RANGE = Null(7, "__NULL_OUT_OF_RANGE__")


class Empty:
    """The absence of a value: a property of a tag that a vertex does not carry."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "__EMPTY__"

    def __bool__(self) -> bool:
        return False


EMPTY = Empty()


@dataclass(frozen=True, slots=True, order=True)
class Date:
    """A day of the proleptic Gregorian calendar."""

    year: int
    month: int
    day: int

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}-{self.day:02d}"


@dataclass(frozen=True, slots=True, order=True)
class Time:
    """A time of day in UTC, to the microsecond."""

    hour: int
    minute: int
    second: int
    micro: int = 0

    def __str__(self) -> str:
        return f"{self.hour:02d}:{self.minute:02d}:{self.second:02d}.{self.micro:06d}"


@dataclass(frozen=True, slots=True, order=True)
class DateTime:
    """A moment in UTC, to the microsecond."""

    year: int
    month: int
    day: int
    hour: int = 0
    minute: int = 0
    second: int = 0
    micro: int = 0

    @property
    def date(self) -> Date:
        """The day."""
        return Date(self.year, self.month, self.day)

    @property
    def time(self) -> Time:
        """The time of day."""
        return Time(self.hour, self.minute, self.second, self.micro)

    def __str__(self) -> str:
        return f"{self.date}T{self.time}"


@dataclass(frozen=True, slots=True)
class Duration:
    """Months are kept apart from seconds: their length varies."""

    months: int = 0
    seconds: int = 0
    micros: int = 0

    def __str__(self) -> str:
        total = self.seconds + self.micros // 1_000_000
        return f"P{self.months}MT{total}.{self.micros % 1_000_000:06d}000S"


class Vertex:
    """A vertex.

    `tags` are its properties by tag, or a function of the vid that reads them when they are looked at.
    """

    __slots__ = ("_tags", "vid")

    def __init__(self, vid: Any, tags: Tags | Callable[[Any], Tags | None] | None = None) -> None:
        self.vid = vid
        self._tags: Any = {} if tags is None else tags

    @property
    def tags(self) -> Tags:
        """Properties by tag, read now if they were not."""
        if type(self._tags) is not dict:
            self._tags = self._tags(self.vid) or {}
        return self._tags

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vertex) and self.vid == other.vid

    def __hash__(self) -> int:
        return hash(self.vid)


class Edge:
    """An edge as it was traversed. `type` is negative, and the ends swapped, when that was backwards.

    `props` are a dict, or a stored text with what decodes it.
    """

    __slots__ = ("_decode", "_props", "dst", "name", "rank", "src", "type")

    def __init__(
        self, src: Any, dst: Any, kind: int, name: str, rank: int, props: Any = None, decode: Any = None
    ) -> None:
        self.src, self.dst, self.type, self.name, self.rank = src, dst, kind, name, rank
        self._props = {} if props is None else props
        self._decode = decode

    @property
    def props(self) -> Props:
        """Properties by name, decoded now if they were not."""
        if self._decode is not None:
            self._props, self._decode = self._decode(self._props) or {}, None
        return self._props

    @property
    def flipped(self) -> "Edge":
        """The same edge, traversed the other way."""
        return Edge(self.dst, self.src, -self.type, self.name, self.rank, self._props, self._decode)

    @property
    def key(self) -> tuple[Any, int, int, Any]:
        """`(src, type, rank, dst)` as stored: the same for both directions."""
        if self.type < 0:
            return self.dst, -self.type, self.rank, self.src
        return self.src, self.type, self.rank, self.dst

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Edge) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(slots=True, eq=False)
class Path:
    """`vertices` has one more item than `edges`."""

    vertices: list[Vertex]
    edges: list[Edge]

    @property
    def key(self) -> tuple[Any, ...]:
        """What two equal paths share: the first vid, and each edge's key and direction."""
        return self.vertices[0].vid, *((edge.key, edge.type > 0) for edge in self.edges)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Path) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


class NSet:
    """A set of any values, in the order they came."""

    __slots__ = ("members",)

    def __init__(self, items: Iterable[Any] = ()) -> None:
        self.members = {identity(item): item for item in items}

    def __iter__(self) -> Any:
        return iter(self.members.values())

    def __len__(self) -> int:
        return len(self.members)

    def __contains__(self, item: Any) -> bool:
        return identity(item) in self.members

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NSet) and self.members.keys() == other.members.keys()

    def __hash__(self) -> int:
        return hash(frozenset(self.members))


def identity(value: Any) -> Any:
    """A hashable stand-in: equal for values that DISTINCT, GROUP BY and sets take as one."""
    kind = type(value)
    if kind is str or kind is int:
        return value
    if kind is bool:
        return ("bool", value)
    if kind is list:
        return ("list", *map(identity, value))
    if kind is dict:
        return ("map", frozenset((key, identity(item)) for key, item in value.items()))
    return value


def row_identity(row: Iterable[Any]) -> tuple[Any, ...]:
    """A hashable stand-in for a row, item by item."""
    return tuple(map(identity, row))


TYPE_NAMES: dict[type, str] = {
    int: "INT",
    float: "FLOAT",
    str: "STRING",
    bool: "BOOL",
    list: "LIST",
    dict: "MAP",
    NSet: "SET",
    Date: "DATE",
    Time: "TIME",
    DateTime: "DATETIME",
    Duration: "DURATION",
    Vertex: "VERTEX",
    Edge: "EDGE",
    Path: "PATH",
    Null: "NULL",
    Empty: "__EMPTY__",
}


def type_name(value: Any) -> str:
    """Nebula's name of a value's type, as its messages spell it."""
    return TYPE_NAMES[type(value)]
