"""Runs that died with nobody left to say so, and whose events were lost: crashed, then run once more."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.settings import temporary_settings

from flows.orchestration.crash_recovery import HEARTBEAT, is_silent, recover
from tests.flows.conftest import PrefectProcesses, reaching
from tests.flows.fake_bridge import FakeBridge
from tests.flows.orchestration.test_outage import crashed_run, plans_kept, until
from tools.clients.prefect import WORK_POOL, Prefect, open_prefect
from tools.settings import Settings

MOMENT_S = 0.2


async def switch(settings: Settings, *, on: bool) -> None:
    async with open_prefect(settings) as prefect:
        for item in await prefect.call("POST", "/automations/filter", json={}):
            await prefect.call("PATCH", f"/automations/{item['id']}", json={"enabled": on})


@pytest.fixture
def eventless(deployed: Settings) -> Iterator[Settings]:
    """Prefect's automations see no event, as when its database was locked at that moment."""
    asyncio.run(switch(deployed, on=False))
    try:
        with temporary_settings(reaching(deployed)):
            yield deployed
    finally:
        asyncio.run(switch(deployed, on=True))


async def history(prefect: Prefect, run_id: str) -> list[str]:
    states = await prefect.call("GET", "/flow_run_states/", params={"flow_run_id": run_id})
    return [state["name"] for state in sorted(states, key=lambda state: state["timestamp"])]


async def begun(prefect: Prefect, *states: str) -> str:
    """A run that went through these states, and no process has anything to do with."""
    deployment = await prefect.deployment("ingest")
    path = f"/deployments/{deployment['id']}/create_flow_run"
    request: dict[str, Any] = {"parameters": {"sources": ["/nothing"]}, "state": {"type": states[0]}}
    run_id = (await prefect.call("POST", path, json=request))["id"]
    for state in states[1:]:
        body = {"state": {"type": state}, "force": True}
        await prefect.call("POST", f"/flow_runs/{run_id}/set_state", json=body)
    return run_id


@pytest.mark.timeout(600)
async def test_a_run_whose_worker_is_killed_runs_once_more_and_no_plan_is_lost(
    eventless: Settings, processes: PrefectProcesses, bridge: FakeBridge, folder: Path
) -> None:
    """Worker, run and server die together; several sweeps at once send the run back a single time."""
    async with open_prefect(eventless) as prefect, plans_kept(prefect):
        run = await crashed_run(processes, bridge, prefect, folder, "of_a_sweep")
        processes.kill_worker()
        processes.kill_server()
        bridge.release()
        processes.start_server()
        swept = await asyncio.gather(
            *(recover(prefect, timeout_s=MOMENT_S, start_timeout_s=0.0, grace_s=0.0) for _ in range(3))
        )
        assert [run_id for item in swept for run_id in item.crashed].count(run.id) == 1
        assert [run_id for item in swept for run_id in item.retried].count(run.id) == 1
        assert (await history(prefect, run.id))[-3:] == ["Running", "Crashed", "AwaitingRetry"]
        processes.start_worker()
        ended = await prefect.wait(run.id, timeout=240)
        assert ended.state == "COMPLETED", ended.message
        again = await recover(prefect, grace_s=0.0)
        assert run.id not in again.crashed + again.retried
        assert (await history(prefect, run.id)).count("AwaitingRetry") == 1
    assert len(bridge.collections["of_a_sweep"]) == 2


async def test_a_run_that_crashes_twice_is_left_alone(eventless: Settings) -> None:
    async with open_prefect(eventless) as prefect:
        run_id = await begun(prefect, "RUNNING", "CRASHED", "RUNNING", "CRASHED")
        assert (await history(prefect, run_id)).count("Crashed") == 2
        assert run_id not in (await recover(prefect, grace_s=0.0)).retried


async def test_a_run_that_just_crashed_is_left_to_the_automation(eventless: Settings) -> None:
    async with open_prefect(eventless) as prefect:
        run_id = await begun(prefect, "RUNNING", "CRASHED")
        assert run_id not in (await recover(prefect, grace_s=3_600.0)).retried
        await prefect.call("DELETE", f"/flow_runs/{run_id}")


async def test_a_heartbeat_is_heard_and_a_strangers_silence_means_nothing(eventless: Settings) -> None:
    run = {"id": str(uuid4()), "state": {"type": "RUNNING"}, "work_pool_name": WORK_POOL}
    run["start_time"] = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    async with open_prefect(eventless) as prefect:

        async def silent(**changed: Any) -> bool:
            return await is_silent(prefect, {**run, **changed}, timeout_s=600.0, start_timeout_s=600.0)

        async def heard() -> bool:
            beat = {
                "id": str(uuid4()),
                "event": HEARTBEAT,
                "occurred": datetime.now(UTC).isoformat(),
                "resource": {"prefect.resource.id": f"prefect.flow-run.{run['id']}"},
            }
            await prefect.call("POST", "/events", json=[beat])
            return not await silent()

        assert await silent()
        assert not await silent(work_pool_name="of somebody else")
        assert not await silent(start_time=datetime.now(UTC).isoformat())
        await until(heard)
