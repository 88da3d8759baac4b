"""The supervisor keeps processes alive, says who holds a port, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from servers.commands.up import folder_digest, state_of
from servers.local.services import Service
from servers.local.supervisor import INSTANCE_VARIABLE, Supervisor, open_supervisor, port_owner, stop_orphans
from tools.errors import Conflict
from tools.settings import Settings


def sleeper(
    name: str = "sleeper", *, code: str = "import time; print('awake', flush=True); time.sleep(600)"
) -> Service:
    return Service(name, (sys.executable, "-c", code), "", lambda: True)


def until(condition: Callable[[], bool], *, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def pid_of(supervisor: Supervisor, name: str = "sleeper") -> int:
    return next((status.pid for status in supervisor.statuses() if status.name == name), 0)


def test_a_process_that_dies_is_started_again(settings: Settings) -> None:
    with open_supervisor(settings, [sleeper()]) as supervisor:
        assert until(lambda: "awake" in supervisor.log_tail("sleeper"))
        first = pid_of(supervisor)
        os.kill(first, signal.SIGKILL)
        assert until(lambda: pid_of(supervisor) not in (0, first))
        assert until(lambda: supervisor.log_tail("sleeper").count("awake") == 2)


def test_what_a_process_prints_goes_to_its_log(settings: Settings) -> None:
    with open_supervisor(settings, [sleeper()]) as supervisor:
        assert until(lambda: "awake" in supervisor.log_tail("sleeper"))


def test_a_process_that_can_not_start_is_called_failed(settings: Settings) -> None:
    broken = sleeper("broken", code="raise SystemExit('no weights')")
    with open_supervisor(settings, [broken]) as supervisor:
        assert until(lambda: any(state_of(row, True) == "failed" for row in supervisor.statuses()))
        assert "no weights" in supervisor.log_tail("broken")


def test_stopping_leaves_no_process_and_no_lock(settings: Settings) -> None:
    with open_supervisor(settings, [sleeper()]) as supervisor:
        assert until(lambda: "awake" in supervisor.log_tail("sleeper"))
        child = pid_of(supervisor)
    assert not psutil.pid_exists(child)
    with open_supervisor(settings, [sleeper()]):
        pass


def test_a_second_up_of_the_same_home_is_refused_with_the_pid(settings: Settings) -> None:
    with (
        open_supervisor(settings, [sleeper()]),
        pytest.raises(Conflict, match=str(os.getpid())) as refused,
        open_supervisor(settings, [sleeper()]),
    ):
        pass
    assert refused.value.code == "already_running"


def test_a_taken_port_is_reported_with_the_process_that_holds_it(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        wanting = Service("api", (sys.executable, "-V"), "", lambda: True, ports=(port,))
        with (
            pytest.raises(Conflict, match=rf"api: {port} ← .*pid {os.getpid()}"),
            open_supervisor(settings, [wanting]),
        ):
            pass
    assert port_owner(port) is None


def test_orphans_of_an_earlier_run_are_ended(settings: Settings) -> None:
    environment = {**os.environ, INSTANCE_VARIABLE: str(settings.home.absolute())}
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=environment)
    assert until(lambda: psutil.Process(orphan.pid).environ().get(INSTANCE_VARIABLE) is not None)
    assert stop_orphans(settings.home) == [orphan.pid]
    assert not psutil.pid_exists(orphan.pid)
    assert orphan.wait(60) is not None


def test_the_fingerprint_changes_with_a_name_and_with_a_byte(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("uno")
    first = folder_digest(tmp_path)
    (tmp_path / "a.md").write_text("dos")
    second = folder_digest(tmp_path)
    (tmp_path / "a.md").rename(tmp_path / "b.md")
    assert len({first, second, folder_digest(tmp_path)}) == 3
    assert folder_digest(tmp_path / "nothing") is None
