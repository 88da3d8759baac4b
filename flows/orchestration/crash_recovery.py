"""Crash recovery: marks a flow run without heartbeats as crashed, and retries a crashed flow run once.

Prefect's automations (`automations.yaml`) do both within seconds, but each waits for one event, and on SQLite
an event can be lost while another writes. This looks at the runs themselves, whenever flow `health` runs.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from prefect.client.orchestration import get_client
from prefect.concurrency.asyncio import concurrency
from prefect.exceptions import ObjectAlreadyExists

from flows.orchestration.launch import HEARTBEAT_S
from tools.clients.prefect import WORK_POOL, Prefect
from tools.schema import JsonObject

HEARTBEAT_TIMEOUT_S = 3.0 * HEARTBEAT_S
START_TIMEOUT_S = 900.0
GRACE_S = 60.0
"""How long a crash is left to the automation."""
MAX_AGE_S = 86_400.0
"""A crash that is older is not retried."""
HEARTBEAT = "prefect.flow-run.heartbeat"


@dataclass(frozen=True)
class Recovery:
    """Ids of the runs that were marked as crashed, and of those that were retried."""

    crashed: list[str]
    retried: list[str]


async def recover(
    prefect: Prefect,
    *,
    timeout_s: float = HEARTBEAT_TIMEOUT_S,
    start_timeout_s: float = START_TIMEOUT_S,
    grace_s: float = GRACE_S,
) -> Recovery:
    """Mark silent runs as crashed and retry, once, those that crashed and that no automation retried.

    A run is silent after `timeout_s` seconds without a heartbeat, twice in a row, or when it has been about
    to start for `start_timeout_s`. One that crashed less than `grace_s` ago is left to the automation.
    """
    async with _exclusively():
        silent = await _silent(prefect, timeout_s, start_timeout_s)
        if silent:  # after an outage of Prefect itself, living runs have sent a heartbeat by then
            await asyncio.sleep(timeout_s)
            silent &= await _silent(prefect, timeout_s, start_timeout_s)
        for run_id in sorted(silent):
            await _set_state(prefect, run_id, "CRASHED", "Crashed", "sin señales · no heartbeat")
        retried = [
            run_id for run_id in await _crashed(prefect, grace_s) if await _is_first_crash(prefect, run_id)
        ]
        for run_id in retried:
            message = "se repite tras caerse · retried after a crash"
            await _set_state(prefect, run_id, "SCHEDULED", "AwaitingRetry", message)
        return Recovery(sorted(silent), retried)


async def is_silent(prefect: Prefect, run: JsonObject, timeout_s: float, start_timeout_s: float) -> bool:
    """Whether no heartbeat of a run, as Prefect describes it, came for so many seconds."""
    if run["state"]["type"] == "PENDING":
        return _age_s(run["state"]["timestamp"]) > start_timeout_s
    since = run["start_time"] or run["created"]
    if _age_s(since) <= timeout_s:
        return False
    last = await _last_heartbeat(prefect, run["id"], since)
    if last is None and run["work_pool_name"] != WORK_POOL:  # whoever started it there may send none
        return False
    return _age_s(last or since) > timeout_s


@asynccontextmanager
async def _exclusively() -> AsyncIterator[None]:
    """One recovery at a time on a Prefect server, so that no run is retried twice."""
    async with get_client() as client:
        with suppress(ObjectAlreadyExists):  # another run made it between the look and the write
            await client.upsert_global_concurrency_limit_by_name("sweep", 1)
    async with concurrency("sweep", lease_duration=60, raise_on_lease_renewal_failure=False):
        yield


async def _silent(prefect: Prefect, timeout_s: float, start_timeout_s: float) -> set[str]:
    found = await _runs(prefect, "RUNNING", "PENDING")
    return {run["id"] for run in found if await is_silent(prefect, run, timeout_s, start_timeout_s)}


async def _last_heartbeat(prefect: Prefect, run_id: str, since: str) -> str | None:
    chosen = {
        "event": {"name": [HEARTBEAT]},
        "resource": {"id": [f"prefect.flow-run.{run_id}"]},
        "occurred": {"since": since},
        "order": "DESC",
    }
    events = (await prefect.call("POST", "/events/filter", json={"filter": chosen, "limit": 1}))["events"]
    return events[0]["occurred"] if events else None


async def _crashed(prefect: Prefect, grace_s: float) -> list[str]:
    found = await _runs(prefect, "CRASHED")
    return [run["id"] for run in found if grace_s <= _age_s(run["state"]["timestamp"]) < MAX_AGE_S]


async def _is_first_crash(prefect: Prefect, run_id: str) -> bool:
    """Whether it is crashed, and for the first time: its states say so, which outlive whoever wrote them."""
    states = await prefect.call("GET", "/flow_run_states/", params={"flow_run_id": run_id})
    latest = max(states, key=lambda state: state["timestamp"])
    return latest["type"] == "CRASHED" and sum(state["type"] == "CRASHED" for state in states) == 1


async def _runs(prefect: Prefect, *states: str) -> list[JsonObject]:
    """The latest runs of deployments in these states."""
    chosen = {"state": {"type": {"any_": states}}, "deployment_id": {"is_null_": False}}
    request = {"flow_runs": chosen, "sort": "EXPECTED_START_TIME_DESC", "limit": 200}
    return await prefect.call("POST", "/flow_runs/filter", json=request)


async def _set_state(prefect: Prefect, run_id: str, kind: str, name: str, message: str) -> None:
    request = {"state": {"type": kind, "name": name, "message": message}, "force": False}
    await prefect.call("POST", f"/flow_runs/{run_id}/set_state", json=request)


def _age_s(moment: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
