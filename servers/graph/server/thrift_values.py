"""Values to and from the generated thrift types of nebula3-python."""

from collections.abc import Callable
from typing import Any

from nebula3.common import ttypes

from servers.graph.values import types as v

w: Any = ttypes
"""The generated module: its constructors are made at import, out of a type checker's sight."""


def to_thrift(value: Any) -> Any:
    """A value as thrift's Value."""
    return _TO_THRIFT[type(value)](value)


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


def _map(value: v.Props) -> dict[bytes, Any]:
    return {key.encode(): to_thrift(item) for key, item in value.items()}


def _vertex(value: v.Vertex) -> Any:
    tags = [w.Tag(name=name.encode(), props=_map(props)) for name, props in value.tags.items()]
    return w.Vertex(vid=to_thrift(value.vid), tags=tags)


def _edge(value: v.Edge) -> Any:
    return w.Edge(
        src=to_thrift(value.src),
        dst=to_thrift(value.dst),
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


_TO_THRIFT: dict[type, Callable[[Any], Any]] = {
    v.Empty: lambda _: w.Value(),
    v.Null: lambda value: w.Value(nVal=value.kind),
    bool: lambda value: w.Value(bVal=value),
    int: lambda value: w.Value(iVal=value),
    float: lambda value: w.Value(fVal=value),
    str: _text,
    list: lambda value: w.Value(lVal=w.NList(values=list(map(to_thrift, value)))),
    dict: lambda value: w.Value(mVal=w.NMap(kvs=_map(value))),
    v.NSet: lambda value: w.Value(uVal=w.NSet(values=list(map(to_thrift, value)))),
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


def from_thrift(value: Any) -> Any:
    """A parameter's value; EMPTY for the kinds that no parameter has, such as vertices."""
    reader = _FROM_THRIFT.get(value.getType())
    return reader(value.value) if reader else v.EMPTY


_FROM_THRIFT: dict[int, Callable[[Any], Any]] = {
    w.Value.NVAL: lambda kind: NULLS.get(kind, v.NULL),
    w.Value.BVAL: bool,
    w.Value.IVAL: int,
    w.Value.FVAL: float,
    w.Value.SVAL: lambda data: data.decode("utf-8", "replace") if isinstance(data, bytes) else data,
    w.Value.DVAL: lambda date: v.Date(date.year, date.month, date.day),
    w.Value.TVAL: lambda time: v.Time(time.hour, time.minute, time.sec, time.microsec),
    w.Value.DTVAL: lambda at: v.DateTime(at.year, at.month, at.day, at.hour, at.minute, at.sec, at.microsec),
    w.Value.DUVAL: lambda span: v.Duration(span.months, span.seconds, span.microseconds),
    w.Value.LVAL: lambda items: [from_thrift(item) for item in items.values],
    w.Value.UVAL: lambda items: v.NSet(from_thrift(item) for item in items.values),
    w.Value.MVAL: lambda items: {key.decode(): from_thrift(item) for key, item in items.kvs.items()},
}


def thrift_dataset(columns: list[str], rows: list[list[Any]]) -> Any:
    """A table as thrift's DataSet."""
    return w.DataSet(
        column_names=[name.encode() for name in columns],
        rows=[w.Row(values=list(map(to_thrift, row))) for row in rows],
    )
