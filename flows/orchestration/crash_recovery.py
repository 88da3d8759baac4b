"""Runs that died with nobody left to say so: marked as crashed, and sent back to the queue once.

Prefect's automations do both within seconds, but each waits for one event, and on SQLite an event can be
lost while another writes. This looks at the runs themselves: what was missed is made good at the next look.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import get_client
from prefect.concurrency.asyncio import concurrency
from prefect.exceptions import ObjectAlreadyExists

from flows.orchestration.launch import HEARTBEAT_S, POOL
from tools.clients.prefect import Prefect

SILENCE_S = 3.0 * HEARTBEAT_S
STARTING_S = 900.0
GRACE_S = 60.0
FORGOTTEN_S = 86_400.0
HEARTBEAT = "prefect.flow-run.heartbeat"


@dataclass(frozen=True)
class Swept:
    """Ids of the runs that were marked as crashed, and of those that run once more."""

    crashed: list[str]
    retried: list[str]


async def sweep(
    prefect: Prefect,
    *,
    silence_s: float = SILENCE_S,
    starting_s: float = STARTING_S,
    grace_s: float = GRACE_S,
) -> Swept:
    """Mark silent runs as crashed and retry, once, those that crashed and that no automation took up.

    A run is silent after `silence_s` without a heartbeat, twice in a row, or when it has been about to start
    for `starting_s`. One that crashed less than `grace_s` ago is left to the automation.
    """
    async with _alone():
        silent = await _silent(prefect, silence_s, starting_s)
        if silent:  # when Prefect itself was away, those that live have beaten again by then
            await asyncio.sleep(silence_s)
            silent &= await _silent(prefect, silence_s, starting_s)
        for run_id in sorted(silent):
            await _set(prefect, run_id, "CRASHED", "Crashed", "sin señales · no heartbeat")
        lost = [run_id for run_id in await _crashed(prefect, grace_s) if await _first(prefect, run_id)]
        for run_id in lost:
            message = "se repite tras caerse · retried after a crash"
            await _set(prefect, run_id, "SCHEDULED", "AwaitingRetry", message)
        return Swept(sorted(silent), lost)


async def is_silent(prefect: Prefect, run: dict[str, Any], silence_s: float, starting_s: float) -> bool:
    """Whether nothing was heard of a run, as Prefect describes it, for so long."""
    if run["state"]["type"] == "PENDING":
        return _age_s(run["state"]["timestamp"]) > starting_s
    since = run["start_time"] or run["created"]
    if _age_s(since) <= silence_s:
        return False
    last = await _last_heartbeat(prefect, run["id"], since)
    if last is None and run["work_pool_name"] != POOL:  # whoever started it there may send none
        return False
    return _age_s(last or since) > silence_s


@asynccontextmanager
async def _alone() -> AsyncIterator[None]:
    """One sweep at a time on a Prefect server, so that no run is sent back twice."""
    async with get_client() as client:
        with suppress(ObjectAlreadyExists):  # another sweep made it between the look and the write
            await client.upsert_global_concurrency_limit_by_name("sweep", 1)
    async with concurrency("sweep", lease_duration=60, raise_on_lease_renewal_failure=False):
        yield


async def _silent(prefect: Prefect, silence_s: float, starting_s: float) -> set[str]:
    found = await _runs(prefect, "RUNNING", "PENDING")
    return {run["id"] for run in found if await is_silent(prefect, run, silence_s, starting_s)}


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
    return [run["id"] for run in found if grace_s <= _age_s(run["state"]["timestamp"]) < FORGOTTEN_S]


async def _first(prefect: Prefect, run_id: str) -> bool:
    """Whether it is crashed, and for the first time: its states say so, which outlive whoever wrote them."""
    states = await prefect.call("GET", "/flow_run_states/", params={"flow_run_id": run_id})
    latest = max(states, key=lambda state: state["timestamp"])
    return latest["type"] == "CRASHED" and sum(state["type"] == "CRASHED" for state in states) == 1


async def _runs(prefect: Prefect, *states: str) -> list[dict[str, Any]]:
    """The latest runs of deployments in these states."""
    chosen = {"state": {"type": {"any_": states}}, "deployment_id": {"is_null_": False}}
    request = {"flow_runs": chosen, "sort": "EXPECTED_START_TIME_DESC", "limit": 200}
    return await prefect.call("POST", "/flow_runs/filter", json=request)


async def _set(prefect: Prefect, run_id: str, kind: str, name: str, message: str) -> None:
    request = {"state": {"type": kind, "name": name, "message": message}, "force": False}
    await prefect.call("POST", f"/flow_runs/{run_id}/set_state", json=request)


def _age_s(moment: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
