"""Which model was asked for in which hour of the week: counts with a memory of some weeks. Pure.

The table itself lives in Prefect, as the artifact that flow `warm` leaves at each run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

KEPT = 0.7  # how much of the weeks before this week's count leaves
FORGOTTEN = 0.05


@dataclass(frozen=True)
class Hour:
    """One hour of the week: what was `asked` on its latest `day`, and what was usual `before` that day."""

    day: str
    asked: float
    before: float | None = None

    @property
    def usual(self) -> float:
        if self.before is None:
            return self.asked
        return KEPT * self.before + (1 - KEPT) * self.asked

    def add(self, day: str, asked: float) -> "Hour":
        """Looking again on the same day adds to that day, so that looking often changes nothing."""
        if day == self.day:
            return Hour(day, self.asked + asked, self.before)
        return Hour(day, asked, self.usual)


@dataclass(frozen=True)
class Usage:
    """`hours[(weekday, hour, model)]` is what is usual then; `counters` the pool's last totals."""

    hours: dict[tuple[int, int, str], Hour] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """As a table for people, from which `read` gets it back."""
        counted = [
            {
                **{"weekday": day, "hour": hour, "model": model, "requests": round(seen.usual, 2)},
                **{"day": seen.day, "asked": seen.asked, "before": seen.before},
            }
            for (day, hour, model), seen in sorted(self.hours.items())
        ]
        nowhen = dict.fromkeys(("weekday", "hour", "day", "asked", "before"))
        totals = [
            {**nowhen, "model": model, "requests": total} for model, total in sorted(self.counters.items())
        ]
        return counted + totals


def read(rows: Sequence[Mapping[str, Any]]) -> Usage:
    """The history in a table that `rows` made; one of an earlier release has no days in it."""
    usage = Usage()
    for row in rows:
        if row["hour"] is None:
            usage.counters[row["model"]] = int(row["requests"])
        else:
            seen = Hour(row.get("day", ""), row.get("asked", row["requests"]), row.get("before"))
            usage.hours[row["weekday"], row["hour"], row["model"]] = seen
    return usage


def count(usage: Usage, totals: Mapping[str, int], now: datetime) -> Usage:
    """Add what was asked since the last time to the hour of `now`; a total that fell began again at zero."""
    hours, day = dict(usage.hours), now.date().isoformat()
    for model, total in totals.items():
        before = usage.counters.get(model, total)
        asked = float(total - before if total >= before else total)
        key = (now.weekday(), now.hour, model)
        hours[key] = hours[key].add(day, asked) if key in hours else Hour(day, asked)
    kept = {key: seen for key, seen in hours.items() if seen.usual >= FORGOTTEN or _open(seen, day)}
    return Usage(kept, dict(totals))


def expected(usage: Usage, when: datetime, *, at_least: float) -> list[str]:
    """Models usually asked for `at_least` times in that hour of the week, most wanted first."""
    wanted = {
        model: seen.usual
        for (day, hour, model), seen in usage.hours.items()
        if (day, hour) == (when.weekday(), when.hour) and seen.usual >= at_least
    }
    return sorted(wanted, key=lambda model: (-wanted[model], model))


def _open(seen: Hour, day: str) -> bool:
    """Whether more may be added to what it was before."""
    return seen.day == day and seen.before is not None
