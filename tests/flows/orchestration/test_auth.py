"""Whoever may make a deployment runs commands on this machine: without the auth string nobody makes one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import websockets
from websockets.typing import Subprotocol

from servers.local.services import planned_services
from tests.flows.conftest import PrefectProcesses
from tests.isolation import environment
from tools.settings import Settings

PATHS = (
    "/flows/",
    "/deployments/",
    "/deployments/filter",
    "/flow_runs/filter",
    "/work_pools/filter",
    "/block_documents/filter",
    "/admin/settings",
    "/events/filter",
    "/health/",
    "//health",
    "/variables/name/health",
    "/admin/version?/health",
)
FOREIGN = {"origin": "http://evil.example", "content-type": "text/plain"}


@pytest.mark.parametrize(
    "shown",
    [{}, {"authorization": "Basic YWRtaW46YWRtaW4="}, {"authorization": "Bearer x"}, {"authorization": "x"}],
)
def test_without_the_string_nothing_is_read_or_made(deployed: Settings, shown: dict[str, str]) -> None:
    with httpx.Client(base_url=deployed.prefect_url, trust_env=False, timeout=60) as stranger:
        for method in ("GET", "POST"):
            for path in PATHS:
                answer = stranger.request(method, path, json={} if method == "POST" else None, headers=shown)
                assert answer.status_code >= 400, (method, path, answer.text)


def test_a_web_pages_deployment_with_a_shell_step_is_not_made(deployed: Settings, tmp_path: Path) -> None:
    """What issue 15 did: a flow, then a deployment whose pull step is a command."""
    stolen = tmp_path / "stolen"
    step = {"prefect.deployments.steps.run_shell_script": {"script": f"touch {stolen}"}}
    wanted = {"name": "evil", "flow_id": "0" * 32, "pull_steps": [step], "work_pool_name": "local"}
    with httpx.Client(base_url=deployed.prefect_url, trust_env=False, timeout=60) as page:
        for path, body in (("/flows/", {"name": "evil"}), ("/deployments/", wanted)):
            answer = page.post(path, content=json.dumps(body), headers=FOREIGN)
            assert answer.status_code in (401, 403, 415), answer.text
    user, _, password = str(deployed.prefect_auth).partition(":")
    with httpx.Client(
        base_url=deployed.prefect_url, trust_env=False, timeout=60, auth=(user, password)
    ) as ours:
        names = {flow["name"] for flow in ours.post("/flows/filter", json={}).json()}
    assert "ingest" in names
    assert "evil" not in names
    assert not stolen.exists()


@pytest.mark.parametrize("path", ["/events/in", "/events/out", "/logs/out"])
async def test_a_socket_without_the_string_is_closed(deployed: Settings, path: str) -> None:
    url = deployed.prefect_url.replace("http", "ws") + path
    for token in (None, "wrong"):
        with pytest.raises(websockets.ConnectionClosed):
            async with websockets.connect(url, subprotocols=[Subprotocol("prefect")], proxy=None) as socket:
                await socket.send(json.dumps({"type": "auth", "token": token}))
                await socket.recv()
                await socket.recv()


def flows(settings: Settings, *words: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    told = {**os.environ, **environment(), **settings.environment(), **changes}
    command = [sys.executable, "-m", "flows", *words]
    return subprocess.run(command, env=told, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_line_runs_follows_and_schedules_with_the_string(deployed: Settings) -> None:
    ran = flows(deployed, "run", "alert_test", "--wait")
    assert "alert" in ran.stdout
    assert "completed" in ran.stdout or "failed" in ran.stdout, ran.stdout + ran.stderr
    assert "alert_test" in flows(deployed, "list").stdout
    assert flows(deployed, "schedule", "health", "--pause").returncode == 0
    assert flows(deployed, "sign-in").stdout.startswith("http://127.0.0.1")


def command_line(process: psutil.Process) -> list[str]:
    """Its words; none of a process that ended meanwhile."""
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def test_a_worker_that_runs_is_healthy(deployed: Settings) -> None:
    (worker,) = [service for service in planned_services(deployed) if service.name == "worker"]
    assert worker.healthy()


def test_a_home_that_is_not_the_servers_is_refused(deployed: Settings, tmp_path: Path) -> None:
    done = flows(deployed, "list", CAPIBARA6_HOME=str(tmp_path / "another"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_the_string_is_in_no_log_and_on_no_command_line(
    deployed: Settings, processes: PrefectProcesses
) -> None:
    secret = deployed.secrets.prefect
    family = psutil.Process().children(recursive=True)
    lines = [line for process in family for line in command_line(process)]
    assert any("prefect" in line or "flows" in line for line in lines)
    assert not any(secret in line for line in lines)
    assert secret not in processes.log.read_text("utf-8", errors="replace")
