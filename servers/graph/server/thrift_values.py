"""Values to and from the thrift types that nebula3-python ships."""

from collections.abc import Callable
from typing import Any

from nebula3.common import ttypes

from servers.graph.values import types as v

w: Any = ttypes
"""The generated module: its constructors are made at import, out of a type checker's sight."""


def to_wire(value: Any) -> Any:
    """A value as the client reads it."""
    return _TO_WIRE[type(value)](value)


def _text(value: str) -> Any:
    return w.Value(sVal=value.encode("utf-8", "surrogatepass"))


def _date(value: v.Date) -> Any:
    return w.Date(year=value.year, month=value.month, day=value.day)


def _time(value: v.Time) -> Any:
    return w.Time(hour=value.hour, minute=value.minute, sec=value.second, microsec=value.micro)


def _datetime(value: v.DateTime) -> Any:
    return w.DateTime(
        year=value.year,
        month=value.month,
        day=value.day,
        hour=value.hour,
        minute=value.minute,
        sec=value.second,
        microsec=value.micro,
    )


def _map(value: dict[str, Any]) -> dict[bytes, Any]:
    return {key.encode(): to_wire(item) for key, item in value.items()}


def _vertex(value: v.Vertex) -> Any:
    tags = [w.Tag(name=name.encode(), props=_map(props)) for name, props in value.tags.items()]
    return w.Vertex(vid=to_wire(value.vid), tags=tags)


def _edge(value: v.Edge) -> Any:
    return w.Edge(
        src=to_wire(value.src),
        dst=to_wire(value.dst),
        type=value.type,
        name=value.name.encode(),
        ranking=value.rank,
        props=_map(value.props),
    )


def _path(value: v.Path) -> Any:
    steps = [
        w.Step(
            dst=_vertex(vertex),
            type=edge.type,
            name=edge.name.encode(),
            ranking=edge.rank,
            props=_map(edge.props),
        )
        for edge, vertex in zip(value.edges, value.vertices[1:], strict=True)
    ]
    return w.Path(src=_vertex(value.vertices[0]), steps=steps)


_TO_WIRE: dict[type, Callable[[Any], Any]] = {
    v.Empty: lambda _: w.Value(),
    v.Null: lambda value: w.Value(nVal=value.kind),
    bool: lambda value: w.Value(bVal=value),
    int: lambda value: w.Value(iVal=value),
    float: lambda value: w.Value(fVal=value),
    str: _text,
    list: lambda value: w.Value(lVal=w.NList(values=list(map(to_wire, value)))),
    dict: lambda value: w.Value(mVal=w.NMap(kvs=_map(value))),
    v.NSet: lambda value: w.Value(uVal=w.NSet(values=list(map(to_wire, value)))),
    v.Date: lambda value: w.Value(dVal=_date(value)),
    v.Time: lambda value: w.Value(tVal=_time(value)),
    v.DateTime: lambda value: w.Value(dtVal=_datetime(value)),
    v.Duration: lambda value: w.Value(
        duVal=w.Duration(months=value.months, seconds=value.seconds, microseconds=value.micros)
    ),
    v.Vertex: lambda value: w.Value(vVal=_vertex(value)),
    v.Edge: lambda value: w.Value(eVal=_edge(value)),
    v.Path: lambda value: w.Value(pVal=_path(value)),
}

NULLS = {
    item.kind: item
    for item in (
        v.NULL,
        v.NAN,
        v.BAD_DATA,
        v.BAD_TYPE,
        v.OVERFLOW,
        v.UNKNOWN_PROP,
        v.DIV_BY_ZERO,
        v.OUT_OF_RANGE,
    )
}


def from_wire(value: Any) -> Any:
    """A parameter's value. Vertices, edges and paths come as they left."""
    reader = _FROM_WIRE.get(value.getType())
    return reader(value.value) if reader else v.EMPTY


_FROM_WIRE: dict[int, Callable[[Any], Any]] = {
    w.Value.NVAL: lambda kind: NULLS.get(kind, v.NULL),
    w.Value.BVAL: bool,
    w.Value.IVAL: int,
    w.Value.FVAL: float,
    w.Value.SVAL: lambda data: data.decode("utf-8", "replace") if isinstance(data, bytes) else data,
    w.Value.DVAL: lambda date: v.Date(date.year, date.month, date.day),
    w.Value.TVAL: lambda time: v.Time(time.hour, time.minute, time.sec, time.microsec),
    w.Value.DTVAL: lambda at: v.DateTime(at.year, at.month, at.day, at.hour, at.minute, at.sec, at.microsec),
    w.Value.DUVAL: lambda span: v.Duration(span.months, span.seconds, span.microseconds),
    w.Value.LVAL: lambda items: [from_wire(item) for item in items.values],
    w.Value.UVAL: lambda items: v.NSet(from_wire(item) for item in items.values),
    w.Value.MVAL: lambda items: {key.decode(): from_wire(item) for key, item in items.kvs.items()},
}


def dataset(columns: list[str], rows: list[list[Any]]) -> Any:
    return w.DataSet(
        column_names=[name.encode() for name in columns],
        rows=[w.Row(values=list(map(to_wire, row))) for row in rows],
    )
