"""The platform on three machines, each with a home and an address of its own, as `up --role` starts them."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from servers.local.machines import MACHINES, Machine
from tests.conftest import settings_in
from tools.settings import Settings

pytestmark = [pytest.mark.walk, pytest.mark.timeout(500)]

REPO = Path(__file__).parents[2]
HOSTS = {"services": "127.0.0.11", "models": "127.0.0.12", "rag": "127.0.0.13"}
"""Loopback addresses: a machine each, on this one."""
QUESTION = "¿Cuántos modelos puede tener cargados a la vez el servidor?"
DOORS = {"api", "speech", "mcp", "ui", "pool", "bridge", "prefect"}
STORES = {"postgres", "redis", "milvus", "graph"}
Homes = dict[Machine, Settings]


def run(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "servers", *words],
        cwd=REPO,
        env={**os.environ, **settings.environment()},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@contextmanager
def up(settings: Settings, role: Machine, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-m", "servers", "up", "--role", role]
    environment = {**os.environ, **settings.environment()}
    with log.open("wb") as output:
        process = subprocess.Popen(words, cwd=REPO, env=environment, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(90)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    """The settings of each: one file for the three, but for the data directory."""
    folder = tmp_path_factory.mktemp("three")
    shared = settings_in(
        folder / "nowhere",
        hosts=HOSTS,
        host="0.0.0.0",
        api_key="one-key-for-three-machines",
        # On loopback a home's own secret would sign, which the other two do not know.
        access={"secret": "one-secret-for-three-machines-0123456789"},
        stores={"prefect_auth": "capibara6:one-password-for-three"},
    )
    homes: Homes = {name: shared.model_copy(update={"home": folder / name}) for name in MACHINES}
    with ExitStack() as running:
        started = {
            name: running.enter_context(up(homes[name], name, folder / f"{name}.log"))
            for name in ("models", "rag", "services")
        }
        end = time.monotonic() + 400
        for name, process in started.items():
            log = folder / f"{name}.log"
            while "Ctrl-C" not in log.read_text("utf-8"):
                assert process.poll() is None and time.monotonic() < end, log.read_text("utf-8")
                time.sleep(0.3)
        yield homes


def seen(settings: Settings) -> dict[str, dict[str, Any]]:
    done = run(settings, "doctor", "--hosts", "--json")
    return {reach["service"]: reach for reach in json.loads(done.stdout)}


def test_a_question_crosses_the_three_machines(machines: Homes) -> None:
    """Asked at one, searched on another, answered by the third's model, from documents that `up` ingested."""
    done = run(machines["services"], "ask", QUESTION, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert re.search(r"\btres modelos\b", answer["answer"]), answer
    assert answer["citations"]


def test_every_machine_sees_every_door_and_rag_its_stores(machines: Homes) -> None:
    """Loopback is one machine's: the others look for stores too, in homes where there are none."""
    for name, settings in machines.items():
        found = seen(settings)
        doors = {service: found[service] for service in DOORS}
        assert {reach["state"] for reach in doors.values()} <= {"ok", "degraded"}, doors
        assert all(reach["version"] and reach["latency_ms"] > 0 for reach in doors.values()), doors
        assert {reach["address"].partition(":")[0] for reach in doors.values()} == set(HOSTS.values())
        stores = {found[service]["state"] for service in STORES - {"graph"}}
        assert stores == ({"ok"} if name == "rag" else {"silent"})


def test_a_home_holds_what_its_role_needs_and_no_more(machines: Homes) -> None:
    logs = {
        name: {file.stem for file in settings.log_dir.glob("*.log")} for name, settings in machines.items()
    }
    assert {name: found - {"supervisord"} for name, found in logs.items()} == {
        "models": {"pool"},
        "rag": STORES | {"bridge"},
        "services": {"api", "speech", "mcp", "ui", "prefect", "worker"},
    }
