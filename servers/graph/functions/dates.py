"""Date and time functions: `now`, `date`, `time`, `datetime`, `timestamp`, `duration`. All in UTC.

The calendar's arithmetic is in `values/temporal`.
"""

from typing import Any

from servers.graph.values import temporal as t
from servers.graph.values.types import BAD_DATA, BAD_TYPE, NULL, Date, DateTime, Duration, Empty, Null, Time


def date(value: Any = None) -> Any:
    """`date()`, today, or `date(text | map | date | datetime)`.

    What is no date: BAD_DATA; NULL gives NULL, other types BAD_TYPE.
    """
    match value:
        case None:
            return t.datetime_of_micros(t.now_micros()).date
        case str():
            return t.read_date(value) or BAD_DATA
        case dict():
            return _date_of_map(value)
        case Date():
            return value
        case DateTime():
            return value.date
    return _none(value)


def _date_of_map(parts: dict[str, Any]) -> Any:
    made = _parts(parts, ("year", "month", "day"), (None, 1, 1))
    found = Date(*made) if made else None
    return found if found and t.valid_date(found) else BAD_DATA


def _parts(parts: dict[str, Any], names: tuple[str, ...], defaults: tuple[Any, ...]) -> list[int] | None:
    values = [parts.get(name, default) for name, default in zip(names, defaults, strict=True)]
    good = set(parts) <= set(names) and all(type(value) is int for value in values)
    return values if good else None


def time(value: Any = None) -> Any:
    """`time()`, now, or `time(text | map | time | datetime)`.

    What is no time: BAD_DATA; NULL gives NULL, other types BAD_TYPE.
    """
    match value:
        case None:
            return t.datetime_of_micros(t.now_micros()).time
        case str():
            return t.time_from(value) or BAD_DATA
        case dict():
            return _time_of_map(value)
        case Time():
            return value
        case DateTime():
            return value.time
    return _none(value)


CLOCK = ("hour", "minute", "second", "millisecond", "microsecond")


def _time_of_map(parts: dict[str, Any]) -> Any:
    made = _parts(parts, CLOCK, (0, 0, 0, 0, 0))
    if made is None:
        return BAD_DATA
    found = Time(made[0], made[1], made[2], made[3] * 1000 + made[4])
    return found if t.valid_time(found) and min(made) >= 0 else BAD_DATA


def datetime(value: Any = None) -> Any:
    """`datetime()`, now, or `datetime(text | seconds | map | date | datetime)`. What is none: BAD_DATA.

    NULL gives NULL, other types BAD_TYPE; seconds count from 1970 and are below 10^11 either way.
    """
    match value:
        case None:
            return t.datetime_of_micros(t.now_micros())
        case str():
            return t.datetime_from(value) or BAD_DATA
        case int() if not isinstance(value, bool):
            return t.datetime_of_micros(value * 1_000_000) if abs(value) < 10**11 else BAD_DATA
        case dict():
            return _datetime_of_map(value)
        case Date():
            return DateTime(value.year, value.month, value.day)
        case DateTime():
            return value
    return _none(value)


def _datetime_of_map(parts: dict[str, Any]) -> Any:
    day = _date_of_map({key: item for key, item in parts.items() if key in ("year", "month", "day")})
    clock = _time_of_map({key: item for key, item in parts.items() if key not in ("year", "month", "day")})
    if not isinstance(day, Date) or not isinstance(clock, Time):
        return BAD_DATA
    return DateTime(day.year, day.month, day.day, clock.hour, clock.minute, clock.second, clock.micro)


def timestamp(value: Any = None) -> Any:
    """`timestamp()`, now, or `timestamp(text | seconds | datetime)`: whole seconds since 1970.

    Before 1970, and text that is no moment: BAD_DATA. A datetime is not refused. NULL gives NULL, other types
    BAD_TYPE.
    """
    match value:
        case None:
            return t.now_micros() // 1_000_000
        case DateTime():
            return t.micros_of_datetime(value) // 1_000_000
        case bool():
            return BAD_TYPE
        case str() | int():
            found = t.timestamp_from(value)
            return BAD_DATA if found is None else found
    return _none(value)


UNITS = {
    "years": (12, 0, 0),
    "quarters": (3, 0, 0),
    "months": (1, 0, 0),
    "weeks": (0, 604_800, 0),
    "days": (0, 86_400, 0),
    "hours": (0, 3600, 0),
    "minutes": (0, 60, 0),
    "seconds": (0, 1, 0),
    "milliseconds": (0, 0, 1000),
    "microseconds": (0, 0, 1),
}


def duration(value: Any) -> Any:
    """`duration(map)` of the UNITS in integers, summed.

    An unknown unit: BAD_DATA; NULL gives NULL, no map BAD_TYPE.
    """
    if not isinstance(value, dict):
        return _none(value)
    months = seconds = micros = 0
    for name, amount in value.items():
        if name not in UNITS or type(amount) is not int:
            return BAD_DATA
        unit = UNITS[name]
        months, seconds = months + unit[0] * amount, seconds + unit[1] * amount
        micros += unit[2] * amount
    return Duration(months, seconds + micros // 1_000_000, micros % 1_000_000)


def _none(value: Any) -> Any:
    return NULL if isinstance(value, Null | Empty) else BAD_TYPE


FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "now": (lambda: t.now_micros() // 1_000_000, 0, 0, "INT"),
    "date": (date, 0, 1, "DATE"),
    "time": (time, 0, 1, "TIME"),
    "datetime": (datetime, 0, 1, "DATETIME"),
    "timestamp": (timestamp, 0, 1, "INT"),
    "duration": (duration, 1, 1, "DURATION"),
}
