"""Dates, times and durations: their arithmetic, and reading them from text and numbers. All in UTC."""

import datetime as dt
import re
import time
from typing import Any
from zoneinfo import ZoneInfo

from servers.graph.values.types import Date, DateTime, Duration, Time

EPOCH = dt.date(1970, 1, 1).toordinal()
DAY = 86_400_000_000
WINTER = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
"""When a named zone's offset is taken: the cluster's table of zones has one offset each."""

DATE_TEXT = re.compile(r"([+-]?\d{1,5})(?:-(\d{1,2})(?:-(\d{1,2}))?)?$")
ZONE_TEXT = r"(Z|[+-]\d{2}:\d{2}(?=$|\[)|\[[\w/+-]+\])?(?:\[[\w/+-]+\])?"
TIME_TEXT = re.compile(r"(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,6})\d*)?)?)?" + ZONE_TEXT + "$")


def days_of_date(value: Date) -> int:
    """Days since 1970-01-01, for any year (proleptic Gregorian)."""
    year = value.year - (value.month <= 2)
    era, of_era = divmod(year, 400)
    of_year = (153 * (value.month + (-3 if value.month > 2 else 9)) + 2) // 5 + value.day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def date_of_days(days: int) -> Date:
    """The date that many days after 1970-01-01 (proleptic Gregorian); the inverse of `days_of_date`.

    Both after Howard Hinnant's `civil_from_days` and `days_from_civil`.
    """
    era, of_era = divmod(days + 719_468, 146_097)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    return Date(year + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1)


def micros_of_time(value: Time) -> int:
    """Microseconds since midnight."""
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.micro


def time_of_micros(micros: int) -> Time:
    """The time of day that many microseconds after midnight; whole days are dropped."""
    seconds, micro = divmod(micros % DAY, 1_000_000)
    return Time(seconds // 3600, seconds // 60 % 60, seconds % 60, micro)


def micros_of_datetime(value: DateTime) -> int:
    """Microseconds since 1970-01-01T00:00 UTC."""
    return days_of_date(value.date) * DAY + micros_of_time(value.time)


def datetime_of_micros(micros: int) -> DateTime:
    """The moment that many microseconds after 1970-01-01T00:00 UTC."""
    days, rest = divmod(micros, DAY)
    date, clock = date_of_days(days), time_of_micros(rest)
    return DateTime(date.year, date.month, date.day, clock.hour, clock.minute, clock.second, clock.micro)


def now_micros() -> int:
    """Microseconds since 1970, by the system clock."""
    return time.time_ns() // 1000


def valid_date(value: Date) -> bool:
    """Whether the calendar has the date; years -32768 to 32767, as in Nebula."""
    return (
        -32768 <= value.year <= 32767
        and 1 <= value.month <= 12
        and value == date_of_days(days_of_date(value))
    )


def valid_time(value: Time) -> bool:
    """Whether the parts are below 24, 60, 60 and 10^6."""
    return value.hour < 24 and value.minute < 60 and value.second < 60 and value.micro < 1_000_000


def read_date(text: str) -> Date | None:
    """The date in `2020`, `2020-3` or `2020-03-04`; None when there is none."""
    found = DATE_TEXT.fullmatch(text.strip())
    if found is None:
        return None
    value = Date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
    return value if valid_date(value) else None


def read_time(text: str) -> tuple[Time, int] | None:
    """`(time, zone's offset in seconds)` of `23:59:59.123456+02:00`; None when it is none."""
    found = TIME_TEXT.fullmatch(text.strip())
    if found is None:
        return None
    micro = int((found[4] or "0").ljust(6, "0"))
    value = Time(int(found[1]), int(found[2] or 0), int(found[3] or 0), micro)
    offset = offset_seconds(found[5])
    return (value, offset) if valid_time(value) and offset is not None else None


def offset_seconds(zone: str | None) -> int | None:
    """Seconds of `+02:00`, `-05:30` or `[Asia/Shanghai]`, of the last without summer time.

    0 of `Z` and of none; None of a zone that nobody knows.
    """
    if not zone or zone == "Z":
        return 0
    if zone[0] == "[":
        try:
            offset = ZoneInfo(zone[1:-1]).utcoffset(WINTER)
        except (KeyError, OSError, ValueError):
            return None
        return int(offset.total_seconds()) if offset is not None else None
    sign = -1 if zone[0] == "-" else 1
    return sign * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)


def time_from(text: str) -> Time | None:
    """A time of day from text, turned to UTC; None when it is none."""
    found = read_time(text)
    return time_of_micros(micros_of_time(found[0]) - found[1] * 1_000_000) if found else None


def datetime_from(text: str) -> DateTime | None:
    """A moment from `2020-03-04T05:06:07.8+02:00`, in UTC; the time may be missing, the T a space.

    None when it is none.
    """
    day, _, clock = text.strip().replace(" ", "T", 1).partition("T")
    date = read_date(day)
    found = read_time(clock) if clock else (Time(0, 0, 0), 0)
    if date is None or found is None:
        return None
    return datetime_of_micros(days_of_date(date) * DAY + micros_of_time(found[0]) - found[1] * 1_000_000)


def timestamp_from(value: Any) -> int | None:
    """Seconds since 1970 from an integer or a text in UTC.

    None outside 0 to 9223372036, the 64-bit nanoseconds that Nebula keeps, and for other values.
    """
    if isinstance(value, int):
        return value if 0 <= value <= 9_223_372_036 else None
    moment = datetime_from(value) if isinstance(value, str) else None
    seconds = micros_of_datetime(moment) // 1_000_000 if moment else -1
    return seconds if seconds >= 0 else None


def add_months(date: Date, months: int) -> Date:
    """The date some months later; the day is cut to the month's end."""
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    first = days_of_date(Date(year, month + 1, 1))
    following = days_of_date(Date(year + (month == 11), (month + 1) % 12 + 1, 1))
    return Date(year, month + 1, min(date.day, following - first))


def shift_date(date: Date, duration: Duration, sign: int) -> Date:
    """A date moved by a duration, `sign` 1 or -1: months first, then whole days."""
    moved = add_months(date, sign * duration.months)
    days = int((duration.seconds + duration.micros / 1e6) / 86_400)
    return date_of_days(days_of_date(moved) + sign * days)


def shift_datetime(value: DateTime, duration: Duration, sign: int) -> DateTime:
    """A moment moved by a duration, `sign` 1 or -1: months first, then microseconds."""
    day = add_months(value.date, sign * duration.months)
    micros = days_of_date(day) * DAY + micros_of_time(value.time)
    return datetime_of_micros(micros + sign * (duration.seconds * 1_000_000 + duration.micros))


def shift_time(value: Time, duration: Duration, sign: int) -> Time:
    """A time of day moved by a duration's seconds, around midnight; months do nothing. `sign` 1 or -1."""
    return time_of_micros(micros_of_time(value) + sign * (duration.seconds * 1_000_000 + duration.micros))
