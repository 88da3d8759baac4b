"""Flow `system_health_monitor`: how often each service answered lately, from the history that `health` left.

It asks no service itself: `health` does, and alerts. This one looks back, and warns when a promise is broken.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.operations import history
from flows.operations.alerts import send_alert
from flows.operations.messages import say
from tools.clients.prefect import Prefect, open_prefect
from tools.errors import StoreUnavailable
from tools.settings import Settings, load_settings

LOOKED_AT = 200
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
        told = await _told(prefect)
    marked = [{**asdict(row), "broken": row in broken} for row in rows]
    await acreate_table_artifact(marked, key=KEY)
    if not broken:
        return Completed(message=say("promise_kept", settings.language, hours=hours), data=rows)
    parts = ", ".join(f"{row.name} {row.percent:g} %" for row in broken)
    subject = say("promise_broken", settings.language, hours=hours, parts=parts)
    sent: dict[str, str] = {}
    if not {row.name for row in broken} <= told:
        sent = await send_alert(settings.alerts, f"capibara6: {subject}", subject, {"event": "availability"})
    log.warning(f"{subject} → {sent or '—'}")
    return Completed(message=subject, data=rows)


def measure(checks: Iterable[Mapping[str, Any]]) -> list[Availability]:
    """One row a service over its checks (name, status, ms); degraded counts as answering. Pure."""
    seen: dict[str, list[Mapping[str, Any]]] = {}
    for row in checks:
        seen.setdefault(row["name"], []).append(row)
    return [_availability(name, rows) for name, rows in sorted(seen.items())]


def read(tables: Sequence[Mapping[str, Any]], *, since: datetime) -> list[dict[str, Any]]:
    """The checks in the tables that `health` left in Prefect after `since`."""
    recent = (table for table in tables if datetime.fromisoformat(table["created"]) >= since)
    return [row for table in recent for row in json.loads(table["data"])]


async def _told(prefect: Prefect) -> set[str]:
    """Services of which the run before said that their promise was broken."""
    past = await prefect.history(KEY, limit=1)
    return {row["name"] for row in json.loads(past[0]["data"]) if row.get("broken")} if past else set()


async def _past(settings: Settings, since: datetime) -> list[dict[str, Any]]:
    """From PostgreSQL, which keeps months; when it is away or new, what Prefect still has."""
    try:
        kept = await history.since(settings, since)
    except StoreUnavailable as exc:
        get_run_logger().warning(f"history: {exc.message}")
        kept = []
    if kept:
        return kept
    async with open_prefect(settings) as prefect:
        return read(await prefect.history("health", limit=LOOKED_AT), since=since)


def _availability(name: str, rows: Sequence[Mapping[str, Any]]) -> Availability:
    up = sum(row["status"] != "down" for row in rows)
    times = sorted(row["ms"] for row in rows)
    slow = times[min(len(times) - 1, int(0.95 * len(times)))]
    return Availability(name, len(rows), round(100 * up / len(rows), 2), slow)
