"""Flow `system_health_monitor`: availability of each service lately, from the history that `health` left.

It asks no service itself: `health` does, and alerts. This one looks back, and warns when a promise is broken.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.operations import history
from flows.operations.alerts import send_alert
from flows.operations.history import CheckRecord
from flows.operations.messages import say
from tools.clients.prefect import Prefect, open_prefect
from tools.errors import StoreUnavailable
from tools.schema import JsonObject
from tools.settings import Settings, load_settings

TABLES_READ = 200
KEY = "availability"


@dataclass(frozen=True)
class Availability:
    """Percentage of the checks that a service passed; `slow_ms` is the 95th percentile of its answers."""

    name: str
    checks: int
    percent: float
    slow_ms: int


@flow(name="system_health_monitor", flow_run_name="system_health_monitor")
async def system_health_monitor(
    hours: Annotated[int, Field(ge=1, le=24 * 90)] = 24,
    promise: Annotated[float, Field(ge=0, le=100)] = 99.0,
    at_least: Annotated[int, Field(ge=1)] = 8,
) -> State[list[Availability]]:
    """Resume la disponibilidad de cada servicio. · Sum up how available each service was.

    Args:
        hours: how far to look back.
        promise: percentage below which operators are told, once.
        at_least: checks without which nothing is concluded.
    """
    settings, log = load_settings(), get_run_logger()
    rows = measure(await _past(settings, datetime.now(UTC) - timedelta(hours=hours)))
    broken = [row for row in rows if row.checks >= at_least and row.percent < promise]
    async with open_prefect(settings) as prefect:
        reported = await _reported(prefect)
    marked = [{**asdict(row), "broken": row in broken} for row in rows]
    await acreate_table_artifact(marked, key=KEY)
    if not broken:
        return Completed(message=say("promise_kept", settings.language, hours=hours), data=rows)
    parts = ", ".join(f"{row.name} {row.percent:g} %" for row in broken)
    subject = say("promise_broken", settings.language, hours=hours, parts=parts)
    sent: dict[str, str] = {}
    if not {row.name for row in broken} <= reported:
        sent = await send_alert(settings.alerts, f"capibara6: {subject}", subject, {"event": "availability"})
    log.warning(f"{subject} → {sent or '—'}")
    return Completed(message=subject, data=rows)


def measure(checks: Iterable[CheckRecord]) -> list[Availability]:
    """One row a service over its checks; degraded counts as answering. Pure."""
    by_name: dict[str, list[CheckRecord]] = {}
    for check in checks:
        by_name.setdefault(check.name, []).append(check)
    return [_availability(name, found) for name, found in sorted(by_name.items())]


def read(tables: Sequence[JsonObject], *, since: datetime) -> list[CheckRecord]:
    """The checks in the tables (Prefect artifacts) that `health` left after `since`. Pure."""
    recent = ((table, at) for table in tables if (at := datetime.fromisoformat(table["created"])) >= since)
    return [
        CheckRecord(at, row["name"], row["status"], row["ms"])
        for table, at in recent
        for row in json.loads(table["data"])
    ]


async def _reported(prefect: Prefect) -> set[str]:
    """Services of which the run before said that their promise was broken."""
    past = await prefect.history(KEY, limit=1)
    return {row["name"] for row in json.loads(past[0]["data"]) if row.get("broken")} if past else set()


async def _past(settings: Settings, since: datetime) -> list[CheckRecord]:
    """From PostgreSQL, which keeps months; when it is away or new, what Prefect still has."""
    try:
        checks = await history.since(settings, since)
    except StoreUnavailable as exc:
        get_run_logger().warning(f"history: {exc.message}")
        checks = []
    if checks:
        return checks
    async with open_prefect(settings) as prefect:
        return read(await prefect.history("health", limit=TABLES_READ), since=since)


def _availability(name: str, checks: Sequence[CheckRecord]) -> Availability:
    up = sum(check.status != "down" for check in checks)
    times = sorted(check.ms for check in checks)
    slow = times[min(len(times) - 1, int(0.95 * len(times)))]
    return Availability(name, len(checks), round(100 * up / len(checks), 2), slow)
