"""Deployments on a real server, run by a real worker, and the commands that operators use."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from typer.testing import CliRunner, Result

from flows.orchestration.cli import app
from flows.orchestration.deploy import deploy, read_deployments, warm_once
from flows.orchestration.launch import prefect_environment
from servers.api.http import flow_runs
from servers.api.services import Services
from tests.conftest import settings_in
from tests.flows.fake_bridge import FakeBridge
from tools.access.identity import SCOPES, Principal
from tools.clients.prefect import open_prefect
from tools.errors import BadRequest, NotFound, Unavailable, UpstreamSilent
from tools.settings import Settings

WIDE = {"NO_COLOR": "1", "COLUMNS": "200"}


def flows(settings: Settings, *words: str) -> Result:
    """The command in this process: a new one takes a second to import what it needs."""
    return CliRunner().invoke(app, words, env={**settings.environment(), **WIDE})


async def test_deploying_again_changes_nothing(deployed: Settings) -> None:
    async with open_prefect(deployed) as prefect:
        before = {item["name"]: item["updated"] for item in await prefect.deployments()}
        assert sorted(before) == sorted(entry["name"] for entry in read_deployments())
        assert await deploy(deployed) == []
        assert before == {item["name"]: item["updated"] for item in await prefect.deployments()}


async def test_a_deploy_that_changed_something_warms_once(deployed: Settings) -> None:
    async with open_prefect(deployed) as prefect:
        assert await warm_once(deployed, []) is None
        run_id = await warm_once(deployed, ["ingest"], after_s=86_400)
        assert run_id is not None
        assert await warm_once(deployed, ["health"], after_s=86_400) == run_id
        assert (await prefect.run(run_id)).state == "SCHEDULED", "not at once: what was started settles first"
        await prefect.call("DELETE", f"/flow_runs/{run_id}")


async def test_a_schedule_that_somebody_paused_stays_paused(deployed: Settings) -> None:
    async with open_prefect(deployed) as prefect:
        assert (await asyncio.to_thread(flows, deployed, "schedule", "health", "--pause")).exit_code == 0
        known = await prefect.deployment("health")
        stale = {"version": "of another release"}
        await prefect.call("PATCH", f"/deployments/{known['id']}", json=stale)
        assert await deploy(deployed) == ["health"]
        assert not any(item["active"] for item in (await prefect.deployment("health"))["schedules"])
        assert (await asyncio.to_thread(flows, deployed, "schedule", "health", "--resume")).exit_code == 0
        assert all(item["active"] for item in (await prefect.deployment("health"))["schedules"])
        await prefect.schedule("health", active=False)


async def test_a_flow_that_a_person_starts_acts_for_that_person(
    deployed: Settings, bridge: FakeBridge, folder: Path
) -> None:
    who = Principal("huerta", "rosa", "operator", SCOPES["operator"], "c6")
    services = cast(Services, SimpleNamespace(settings=deployed))
    parameters = {"sources": [str(folder)], "collection": "of_rosa"}
    run = await flow_runs.start(services, who, "ingest", parameters, key=None, tags=[])
    async with open_prefect(deployed) as prefect:
        ended = await prefect.wait(run.id, timeout=200)
    assert ended.state == "COMPLETED", ended.message
    acting = {deployed.signer.verify(token) for token in bridge.tokens}
    assert acting == {Principal("huerta", "rosa", "operator", SCOPES["operator"], "flow")}
    assert not any("c6i." in str(value) for value in ended.parameters.values())
    with pytest.raises(NotFound):
        await flow_runs.find(services, replace(who, user="beto"), run.id)


async def test_a_deployment_runs_once_a_key_through_the_worker(
    deployed: Settings, bridge: FakeBridge, folder: Path
) -> None:
    parameters = {"sources": [str(folder)], "collection": "of_the_worker"}
    lines: list[str] = []
    async with open_prefect(deployed) as prefect:
        run = await prefect.start("ingest", parameters, idempotency_key="once")
        assert (await prefect.start("ingest", parameters, idempotency_key="once")).id == run.id
        with pytest.raises(UpstreamSilent):
            await prefect.wait(run.id, timeout=0)
        run = await prefect.wait(run.id, timeout=240, on_log=lambda _, line: lines.append(line))
        kinds = {item["key"]: item["type"] for item in await prefect.artifacts(run.id)}
    assert run.state == "COMPLETED"
    assert run.message in lines
    # Not in the machine's own temporary folder, where another person's worker may have been before.
    assert (deployed.home.absolute() / "prefect" / "tmp" / "runner_storage").is_dir()
    assert sorted(bridge.collections["of_the_worker"]) == [
        f"file://{folder}/es/uno.md",
        f"file://{folder}/two.txt",
    ]
    assert kinds == {
        "ingest-of-the-worker": "table",
        "ingest-of-the-worker-summary": "markdown",
        "ingest-of-the-worker-progress": "progress",
    }


def test_operators_run_and_read_flows_from_the_command_line(
    deployed: Settings, bridge: FakeBridge, folder: Path
) -> None:
    parameters = json.dumps({"sources": [str(folder)]})
    done = flows(deployed, "run", "ingest/ingest", "--wait", "--parameters", parameters)
    assert done.exit_code == 0, done.stderr
    assert "2 añadidos" in done.stdout
    assert "completed" in done.stdout
    assert "ingest" in flows(deployed, "list").stdout
    assert "2 añadidos" in flows(deployed, "logs", "ingest").stdout


def test_a_run_that_fails_ends_the_command_with_1(
    deployed: Settings, tmp_path: Path, bridge: FakeBridge
) -> None:
    parameters = json.dumps({"sources": [str(tmp_path / "nothing")]})
    done = flows(deployed, "run", "ingest", "--wait", "--parameters", parameters)
    assert done.exit_code == 1
    assert "no existe" in done.stdout


@pytest.mark.parametrize("words", [("run", "nothing"), ("run", "ingest", "--parameters", "[]")])
def test_a_wrong_command_is_one_sentence(deployed: Settings, words: tuple[str, ...]) -> None:
    done = flows(deployed, *words)
    assert done.exit_code == 1
    assert done.stderr.startswith("✗ ")
    assert "Traceback" not in done.stderr


def test_the_command_of_a_process_of_its_own_answers_the_same(deployed: Settings) -> None:
    environment = {**os.environ, **deployed.environment(), **WIDE}
    command = [sys.executable, "-m", "flows", "run", "nothing"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == flows(deployed, "run", "nothing").stderr


async def test_starting_asks_for_right_parameters_and_a_known_name(deployed: Settings) -> None:
    async with open_prefect(deployed) as prefect:
        with pytest.raises(BadRequest):
            await prefect.start("ingest", {"sources": 7})
        with pytest.raises(BadRequest):
            await prefect.start("ingest", {"sorces": []})
        with pytest.raises(NotFound, match="nothing"):
            await prefect.start("nothing")


async def test_a_prefect_that_is_not_there_is_unavailable(settings: Settings) -> None:
    async with open_prefect(settings) as prefect:
        with pytest.raises(Unavailable):
            await prefect.health()


@pytest.mark.parametrize("key", [None, "k"])
def test_a_secret_guards_prefect_and_everything_stays_at_home(tmp_path: Path, key: str | None) -> None:
    settings = settings_in(tmp_path / "home", api_key=key)
    environment = prefect_environment(settings)
    assert environment["PREFECT_SERVER_API_AUTH_STRING"] == f"capibara6:{settings.secrets.prefect}"
    assert environment["PREFECT_API_AUTH_STRING"] == f"capibara6:{settings.secrets.prefect}"
    assert environment["PREFECT_HOME"].startswith(str(tmp_path))
    assert str(tmp_path) in environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"]
    assert environment["DO_NOT_TRACK"] == "1"
