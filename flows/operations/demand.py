"""Demand forecast: how often each model is asked for in each hour of the week (a moving average). Pure.

The table itself lives in Prefect, as the artifact that flow `warm` leaves at each run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tools.schema import JsonObject

DECAY = 0.7
"""Weight of the weeks before in the exponential moving average; this week's count has the rest."""
FORGOTTEN = 0.05
"""Requests an hour below which an average is no longer kept."""


@dataclass(frozen=True)
class HourlyDemand:
    """One model in one hour of the week: requests that were `asked` on its latest `day` (ISO 8601), and the
    average `before` that day, `None` when it is the first."""

    day: str
    asked: float
    before: float | None = None

    @property
    def average(self) -> float:
        """Requests in that hour, weeks ago counting less."""
        if self.before is None:
            return self.asked
        return DECAY * self.before + (1 - DECAY) * self.asked

    def add(self, day: str, asked: float) -> "HourlyDemand":
        """Looking again on the same day adds to that day, so that looking often changes nothing."""
        if day == self.day:
            return HourlyDemand(day, self.asked + asked, self.before)
        return HourlyDemand(day, asked, self.average)


@dataclass(frozen=True)
class Demand:
    """`hours[(weekday, hour, model)]`, Monday 0, is what is asked then; `counters` the pool's last totals."""

    hours: dict[tuple[int, int, str], HourlyDemand] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)

    def to_rows(self) -> list[JsonObject]:
        """As a table for people, from which `from_rows` makes it again."""
        counted = [
            {
                **{"weekday": weekday, "hour": hour, "model": model, "requests": round(seen.average, 2)},
                **{"day": seen.day, "asked": seen.asked, "before": seen.before},
            }
            for (weekday, hour, model), seen in sorted(self.hours.items())
        ]
        no_hour = dict.fromkeys(("weekday", "hour", "day", "asked", "before"))
        totals = [
            {**no_hour, "model": model, "requests": total} for model, total in sorted(self.counters.items())
        ]
        return counted + totals


def from_rows(rows: Sequence[JsonObject]) -> Demand:
    """The demand in a table that `to_rows` made; one of an earlier release has no days in it."""
    demand = Demand()
    for row in rows:
        if row["hour"] is None:
            demand.counters[row["model"]] = int(row["requests"])
        else:
            seen = HourlyDemand(row.get("day", ""), row.get("asked", row["requests"]), row.get("before"))
            demand.hours[row["weekday"], row["hour"], row["model"]] = seen
    return demand


def record(demand: Demand, totals: Mapping[str, int], now: datetime) -> Demand:
    """Add what was asked since the last time to the hour of `now`; `totals` are the pool's counters by model,
    and one that fell began again at zero."""
    hours, day = dict(demand.hours), now.date().isoformat()
    for model, total in totals.items():
        before = demand.counters.get(model, total)
        asked = float(total - before if total >= before else total)
        key = (now.weekday(), now.hour, model)
        hours[key] = hours[key].add(day, asked) if key in hours else HourlyDemand(day, asked)
    current = {
        key: seen for key, seen in hours.items() if seen.average >= FORGOTTEN or _is_current(seen, day)
    }
    return Demand(current, dict(totals))


def forecast(demand: Demand, when: datetime, *, at_least: float) -> list[str]:
    """Models asked for `at_least` times on average in that hour of the week, most wanted first."""
    wanted = {
        model: seen.average
        for (weekday, hour, model), seen in demand.hours.items()
        if (weekday, hour) == (when.weekday(), when.hour) and seen.average >= at_least
    }
    return sorted(wanted, key=lambda model: (-wanted[model], model))


def _is_current(seen: HourlyDemand, day: str) -> bool:
    """Whether more may be added to what it was before."""
    return seen.day == day and seen.before is not None
