"""A person follows a run: what Ctrl-C means, and what ends with a run that is cancelled, for whom it acts."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from flows.orchestration.following import cancel_run
from flows.orchestration.launch import prefect_environment
from servers.api.http import flow_runs
from servers.api.services import Services
from tests.flows.fake_bridge import FakeBridge
from tests.flows.orchestration.test_deploy import WIDE, flows
from tools.access.identity import SCOPES, Principal, Role
from tools.clients.prefect import Run, open_prefect
from tools.clients.sources import NewSource, Sources
from tools.settings import Settings

HEARS = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "runpy.run_module('flows', run_name='__main__')"
)
"""`python -m flows` that hears Ctrl-C also where the tests run in the background, which ignores it."""


def _running(settings: Settings, name: str) -> Run:
    """The run that writes to a collection, once the bridge holds its first batch."""

    async def find() -> Run:
        async with open_prefect(settings) as prefect:
            for _ in range(600):
                chosen = {"state": {"type": {"any_": ["RUNNING"]}}, "name": {"any_": [name]}}
                for body in await prefect.call("POST", "/flow_runs/filter", json={"flow_runs": chosen}):
                    return await prefect.run(body["id"])
                await asyncio.sleep(0.2)
        raise AssertionError(f"{name} does not run")

    return asyncio.run(find())


@dataclass
class Followed:
    """`capibara6 flows run --wait` on a terminal (`screen`), whose run waits at the bridge."""

    process: "subprocess.Popen[bytes]"
    screen: int
    run: Run

    def interrupt(self) -> None:
        """As a person's Ctrl-C."""
        self.process.send_signal(signal.SIGINT)


@contextmanager
def followed(settings: Settings, bridge: FakeBridge, folder: Path, collection: str) -> Iterator[Followed]:
    """A person who follows a run that does not end by itself."""
    bridge.block()
    parameters = json.dumps({"sources": [str(folder)], "collection": collection})
    command = [sys.executable, "-c", HEARS, "run", "ingest/ingest", "--wait", "--parameters", parameters]
    ours, theirs = pty.openpty()
    environment = {**os.environ, **prefect_environment(settings), **WIDE}
    process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        yield Followed(process, ours, _running(settings, f"ingest-{collection}"))
    finally:
        bridge.release()
        process.kill()
        process.wait(timeout=30)
        os.close(ours)


def test_ctrl_c_asks_once_and_cancels_the_run(deployed: Settings, bridge: FakeBridge, folder: Path) -> None:
    with followed(deployed, bridge, folder, "left_alone") as person:
        person.interrupt()
        assert "Cancel it?" in _read_until(person.screen, "Cancel it?")
        os.write(person.screen, b"y\n")
        shown = _read_until(person.screen, "cancelled")
        assert person.process.wait(timeout=120) == 130, shown
        assert flows(deployed, "cancel", person.run.id).exit_code == 1, "it has ended"


def test_a_second_ctrl_c_leaves_at_once_and_the_run_goes_on(
    deployed: Settings, bridge: FakeBridge, folder: Path
) -> None:
    with followed(deployed, bridge, folder, "left_twice") as person:
        person.interrupt()
        assert "Cancel it?" in _read_until(person.screen, "Cancel it?")
        person.interrupt()
        shown = _read_until(person.screen, f"flows cancel {person.run.id}")
        assert "sigue en marcha" in shown
        assert person.process.wait(timeout=30) == 130, shown
        assert asyncio.run(_state_of(deployed, person.run.id)) == "RUNNING"
        bridge.release()
        assert asyncio.run(_ended(deployed, person.run.id)).state == "COMPLETED"


def test_a_run_is_cancelled_by_its_id(deployed: Settings, bridge: FakeBridge, folder: Path) -> None:
    bridge.block()
    try:
        parameters = json.dumps({"sources": [str(folder)], "collection": "by_its_id"})
        assert flows(deployed, "run", "ingest/ingest", "--parameters", parameters).exit_code == 0
        run = _running(deployed, "ingest-by_its_id")
        late = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
        for name, collection, when in (
            ("its", "by_its_id", late),
            ("another's", "others", late),
            ("older", "by_its_id", "2026-01-01T00:00:00+00:00"),
        ):
            bridge.jobs[name] = {"id": name, "collection": collection, "state": "running", "created_at": when}
        done = flows(deployed, "cancel", run.id)
        assert (done.exit_code, "cancelled" in done.output) == (0, True), done.output
        assert [name for name, job in bridge.jobs.items() if job["state"] == "cancelled"] == ["its"]
    finally:
        bridge.release()


@pytest.mark.parametrize("role", ["user", "operator"])
async def test_a_persons_run_is_cancelled_with_the_role_that_it_has(
    paused: Settings, bridge: FakeBridge, folder: Path, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in paused.environment().items():
        monkeypatch.setenv(name, value)
    who = Principal("huerta", "rosa", role, SCOPES[role], "flow")
    services = cast(Services, SimpleNamespace(settings=paused))
    parameters = {"sources": [str(folder)], "collection": f"of_a_{role}"}
    run = await flow_runs.start(services, who, "ingest", parameters, key=None, tags=[])
    await cancel_run(run, timeout=1)
    assert {paused.signer.verify(token) for token in bridge.job_tokens} == {who}


async def test_a_sources_run_acts_for_whom_its_deployment_names(paused: Settings, folder: Path) -> None:
    who = Principal("huerta", "pia", "user", SCOPES["user"], "c6")
    async with open_prefect(paused) as prefect:
        mine = Sources(prefect, who)
        _, first = await mine.add(NewSource(address=str(folder), name="de-pia"))
        planned = await prefect.start("ingest/source.huerta.de-pia")  # as Prefect's scheduler does
        assert await prefect.acts_for(first.id) == await prefect.acts_for(planned.id) == "huerta/pia/user"
        assert await prefect.acts_for((await prefect.start("health")).id) == ""
        await mine.remove("de-pia")


async def _state_of(settings: Settings, run_id: str) -> str:
    async with open_prefect(settings) as prefect:
        return (await prefect.run(run_id)).state


async def _ended(settings: Settings, run_id: str) -> Run:
    async with open_prefect(settings) as prefect:
        return await prefect.wait(run_id, timeout=120)


def _read_until(descriptor: int, text: str, seconds: float = 120.0) -> str:
    seen, deadline = "", time.monotonic() + seconds
    while text not in seen and time.monotonic() < deadline:
        try:
            seen += os.read(descriptor, 4_096).decode(errors="replace")
        except OSError:
            break
    return seen
