"""The codec of properties: a row's text is a JSON list, one item a property, in order of position.

Temporal values are kept as integers that sort as they do, so that an index can range over them.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from servers.graph.storage.schema import PropDef, SchemaDef
from servers.graph.values.temporal import (
    date_of_days,
    datetime_of_micros,
    days_of_date,
    micros_of_datetime,
    micros_of_time,
    time_of_micros,
)
from servers.graph.values.types import NULL, Date, DateTime, Duration, NSet, Null, Props, Time

Decode = Callable[[str], Props | None]

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode

TO_STORED: dict[type, Callable[[Any], Any]] = {
    Null: lambda _: None,
    Date: days_of_date,
    Time: micros_of_time,
    DateTime: micros_of_datetime,
    Duration: lambda value: [value.months, value.seconds, value.micros],
    NSet: list,
}
FROM_STORED: dict[str, Callable[[Any], Any]] = {
    "DATE": date_of_days,
    "TIME": time_of_micros,
    "DATETIME": datetime_of_micros,
    "DURATION": lambda value: Duration(*value),
    **dict.fromkeys(("SET_STRING", "SET_INT", "SET_FLOAT"), NSet),
}


def to_stored(value: Any) -> Any:
    """A value as JSON keeps it: NULL as null, dates and times as integers."""
    convert = TO_STORED.get(type(value))
    return convert(value) if convert else value


def from_stored(prop: PropDef, value: Any) -> Any:
    """The value of a property from what JSON kept."""
    if value is None:
        return NULL
    convert = FROM_STORED.get(prop.type)
    return convert(value) if convert else value


PLAIN = frozenset({str, int, float, bool})


def encode(values: Sequence[Any]) -> str:
    """Stored text of values that are in order of position."""
    if PLAIN.issuperset(map(type, values)):
        return _dumps(values)
    return _dumps([to_stored(value) for value in values])


def column_sql(definition: SchemaDef, name: str) -> str:
    """The SQL expression that reads property `name` out of a stored row, for indexes and WHERE."""
    return f"json_extract(props, '$[{definition.by_name[name].position}]')"


def decoder(schema: SchemaDef, defaults: Props) -> Decode:
    """A function from a row's text to its properties; None for a row that TTL has ended.

    `defaults` are the values of properties that were added after a row was written.
    """
    names = [prop.name for prop in schema.props]
    plain = all(prop.position == at for at, prop in enumerate(schema.props)) and not any(
        prop.type in FROM_STORED for prop in schema.props
    )
    count = len(names)

    def slow(items: list[Any]) -> Props:
        made: Props = {}
        for prop in schema.props:
            if prop.position < len(items):
                made[prop.name] = from_stored(prop, items[prop.position])
            else:
                made[prop.name] = defaults.get(prop.name, NULL)
        return made

    def read(text: str) -> Props:
        items = json.loads(text)
        if plain and len(items) == count and None not in items:
            return dict(zip(names, items, strict=True))
        return slow(items)

    if schema.ttl_col is None or schema.ttl_duration <= 0:
        return read
    column, duration = schema.ttl_col, schema.ttl_duration

    def alive(text: str) -> Props | None:
        props = read(text)
        born = props.get(column, NULL)
        return None if isinstance(born, int) and born + duration < time.time() else props

    return alive
