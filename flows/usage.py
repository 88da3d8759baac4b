"""Which model was asked for in which hour of the week: counts with a memory of some weeks. Pure.

The table itself lives in Prefect, as the artifact that flow `warm` leaves at each run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

KEPT = 0.7  # how much of last week's count this week's leaves


@dataclass(frozen=True)
class Usage:
    """`hours[(weekday, hour, model)]` is the usual number of requests; `counters` the pool's last totals."""

    hours: dict[tuple[int, int, str], float] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """As a table for people, from which `read` gets it back."""
        counted = [
            {"weekday": day, "hour": hour, "model": model, "requests": round(count, 2)}
            for (day, hour, model), count in sorted(self.hours.items())
        ]
        totals = [
            {"weekday": None, "hour": None, "model": model, "requests": total}
            for model, total in sorted(self.counters.items())
        ]
        return counted + totals


def read(rows: Sequence[Mapping[str, Any]]) -> Usage:
    """The history in a table that `rows` made."""
    usage = Usage()
    for row in rows:
        if row["hour"] is None:
            usage.counters[row["model"]] = int(row["requests"])
        else:
            usage.hours[row["weekday"], row["hour"], row["model"]] = float(row["requests"])
    return usage


def count(usage: Usage, totals: Mapping[str, int], now: datetime) -> Usage:
    """Add what was asked since the last time to the hour of `now`; a total that fell began again at zero."""
    hours = dict(usage.hours)
    for model, total in totals.items():
        before = usage.counters.get(model, total)
        asked = total - before if total >= before else total
        key = (now.weekday(), now.hour, model)
        blended = KEPT * hours[key] + (1 - KEPT) * asked if key in hours else float(asked)
        hours[key] = blended
    return Usage({key: value for key, value in hours.items() if value >= 0.05}, dict(totals))


def expected(usage: Usage, when: datetime, *, at_least: float) -> list[str]:
    """Models usually asked for `at_least` times in that hour of the week, most wanted first."""
    wanted = {
        model: value
        for (day, hour, model), value in usage.hours.items()
        if (day, hour) == (when.weekday(), when.hour) and value >= at_least
    }
    return sorted(wanted, key=lambda model: (-wanted[model], model))
