"""Prefect's server or a run's process dies: what was planned still runs, what crashed runs once more."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.flows.conftest import PrefectProcesses
from tests.flows.fake_bridge import FakeBridge
from tools.clients.prefect import Prefect, Run, open_prefect
from tools.settings import Settings


async def until(check: Callable[[], Awaitable[object]], seconds: float = 240.0) -> None:
    deadline = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.2)


async def planned(prefect: Prefect, *, after_s: float = 0.0) -> set[str]:
    """Ids of the runs that schedules have planned for later than that."""
    body = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}, "limit": 200}
    found = await prefect.call("POST", "/flow_runs/filter", json=body)
    soon = datetime.now(UTC) + timedelta(seconds=after_s)
    return {
        item["id"]
        for item in found
        if item["auto_scheduled"] and datetime.fromisoformat(item["expected_start_time"]) > soon
    }


@asynccontextmanager
async def plans_kept(prefect: Prefect) -> AsyncIterator[None]:
    """A schedule is active, and what it has planned must still be there after the block."""
    await prefect.schedule("cleanup", active=True)
    try:
        await until(partial(planned, prefect, after_s=7_200.0))
        before = await planned(prefect, after_s=7_200.0)  # none of these is due before the test ends
        yield
        assert before <= await planned(prefect)
    finally:
        await prefect.schedule("cleanup", active=False)


async def outage(processes: PrefectProcesses, folder: Path, seconds: float, collection: str) -> None:
    """The server is gone while runs should start; afterwards each has run, and every plan is still there."""
    async with open_prefect(processes.settings) as prefect, plans_kept(prefect):
        parameters = {"sources": [str(folder)], "collection": collection}
        due = time.monotonic() + 1.0
        runs = [await prefect.start("ingest", parameters, after_s=1.0) for _ in range(2)]
        processes.kill_server()
        await asyncio.sleep(due + seconds - time.monotonic())
        processes.start_server()
        for run in runs:
            ended = await prefect.wait(run.id, timeout=240)
            assert ended.state == "COMPLETED", ended.message


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_a_server_that_is_away_when_runs_are_due_loses_none(
    deployed: Settings, processes: PrefectProcesses, bridge: FakeBridge, folder: Path
) -> None:
    await outage(processes, folder, 0.5, "of_an_outage")
    assert len(bridge.collections["of_an_outage"]) == 2


async def crashed_run(
    processes: PrefectProcesses, bridge: FakeBridge, prefect: Prefect, folder: Path, name: str
) -> Run:
    """A run through the worker that is in the middle of a write."""
    bridge.block()
    run = await prefect.start("ingest", {"sources": [str(folder)], "collection": name})

    async def writing() -> bool:
        return name in bridge.written

    await until(writing)
    return run


async def test_a_run_whose_process_is_killed_is_crashed_and_runs_once_more(
    deployed: Settings, processes: PrefectProcesses, bridge: FakeBridge, folder: Path
) -> None:
    async with open_prefect(deployed) as prefect:
        run = await crashed_run(processes, bridge, prefect, folder, "of_a_crash")
        for process in processes.runs():
            process.kill()
        bridge.release()
        ended = await prefect.wait(run.id, timeout=240)
        assert (ended.state, ended.attempts) == ("COMPLETED", 2), ended.message
    assert len(bridge.collections["of_a_crash"]) == 2


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_a_server_that_is_away_for_a_minute_loses_no_schedule(
    deployed: Settings, processes: PrefectProcesses, bridge: FakeBridge, folder: Path
) -> None:
    await outage(processes, folder, 60.0, "of_a_minute")


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_a_zombie_is_marked_as_crashed_after_three_heartbeats_and_runs_once_more(
    deployed: Settings, processes: PrefectProcesses, bridge: FakeBridge, folder: Path
) -> None:
    """Worker and run are killed together: nobody is left to report it."""
    async with open_prefect(deployed) as prefect:
        run = await crashed_run(processes, bridge, prefect, folder, "of_a_zombie")
        processes.kill_worker()
        bridge.release()
        killed = datetime.now(UTC)

        async def noticed() -> bool:
            return (await prefect.run(run.id)).state != "RUNNING"

        await until(noticed, 300)
        print(f"noticed after {(datetime.now(UTC) - killed).total_seconds():.0f} s")
        processes.start_worker()
        ended = await prefect.wait(run.id, timeout=240)
        assert (ended.state, ended.attempts) == ("COMPLETED", 2), ended.message
    assert len(bridge.collections["of_a_zombie"]) == 2
