"""The supervisor keeps processes alive, says who holds a port, and leaves nothing behind."""

import json
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
from rich.console import Console

from servers.commands.sample import folder_digest
from servers.commands.up import HealthMonitor, state_of, up
from servers.local.orphans import INSTANCE_VARIABLE, Children, stop_orphans
from servers.local.services import Layer, Service
from servers.local.supervisor import Supervisor, open_supervisor, port_owner
from tools.error_messages import sentence
from tools.errors import BadRequest, Conflict, Unavailable
from tools.sections import Hosts
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


def test_one_missed_check_is_no_fault_and_the_second_is(settings: Settings, tmp_path: Path) -> None:
    there = tmp_path / "healthy"
    there.touch()
    watched = Service("sleeper", sleeper().command, "", there.exists)
    with open_supervisor(settings, [watched]) as supervisor:
        monitor = HealthMonitor(supervisor, [watched])
        assert until(lambda: bool(monitor.poll()) and monitor.ready)
        there.unlink()
        assert [monitor.poll()["sleeper"][0] for _ in range(3)] == ["healthy", "waiting", "waiting"]
        there.touch()
        assert monitor.poll()["sleeper"][0] == "healthy"
        there.unlink()
        os.kill(pid_of(supervisor), signal.SIGKILL)
        assert until(lambda: monitor.poll()["sleeper"][0] != "healthy"), "another process has to answer first"


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


def test_a_killed_supervisord_is_started_again_and_nothing_runs_twice(settings: Settings) -> None:
    """The second program shows no environment, as Valkey does, which writes its title over it."""
    hidden = Service("hidden", ("/usr/bin/env", "-i", "/bin/sleep", "600"), "", lambda: True)
    with open_supervisor(settings, [sleeper(), hidden]) as supervisor:
        assert until(lambda: 0 not in (pid_of(supervisor), pid_of(supervisor, "hidden")))
        assert not supervisor.revive()
        before = [pid_of(supervisor), pid_of(supervisor, "hidden")]
        supervisor.process.kill()
        assert until(supervisor.revive)
        assert not any(psutil.pid_exists(pid) for pid in before)
        assert until(lambda: 0 not in (pid_of(supervisor), pid_of(supervisor, "hidden")))


def test_what_hides_its_environment_is_found_after_everything_was_killed(settings: Settings) -> None:
    orphan = subprocess.Popen(["/usr/bin/env", "-i", "/bin/sleep", "600"])
    assert until(lambda: psutil.Process(orphan.pid).environ() == {})
    settings.run_dir.mkdir(parents=True)
    Children(settings.home).note([orphan.pid, os.getpid()])
    assert stop_orphans(settings.home) == [orphan.pid]
    assert orphan.wait(60) is not None


def test_another_process_with_the_number_of_one_of_before_is_left_alone(settings: Settings) -> None:
    other = subprocess.Popen(["/usr/bin/env", "-i", "/bin/sleep", "600"])
    settings.run_dir.mkdir(parents=True)
    known = Children(settings.home)
    known.note([other.pid])
    known.path.write_text(json.dumps({str(other.pid): known.known[str(other.pid)] - 60}))
    assert stop_orphans(settings.home) == []
    other.kill()
    other.wait()


def test_a_home_that_is_a_file_is_refused_in_one_sentence(settings: Settings) -> None:
    settings.home.write_text("not a folder")
    with pytest.raises(Unavailable) as refused, open_supervisor(settings, [sleeper()]):
        pass
    assert refused.value.code == "home_unusable"
    assert "carpeta" in sentence(refused.value.code, "es", refused.value.message)


def test_a_machine_on_which_nothing_is_placed_is_told_so(settings: Settings) -> None:
    hosts = Hosts(services="10.0.0.1", models="10.0.0.2", rag="10.0.0.3")
    with pytest.raises(BadRequest) as refused:
        up(settings.model_copy(update={"hosts": hosts}), Console(quiet=True))
    assert refused.value.code == "nothing_to_run"


def test_the_fingerprint_changes_with_a_name_and_with_a_byte(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("uno")
    first = folder_digest(tmp_path)
    (tmp_path / "a.md").write_text("dos")
    second = folder_digest(tmp_path)
    (tmp_path / "a.md").rename(tmp_path / "b.md")
    assert len({first, second, folder_digest(tmp_path)}) == 3
    assert folder_digest(tmp_path / "nothing") is None


ENDS_SLOWLY = """
import signal, sys, time
diary, name = sys.argv[1:]
def note(word):
    with open(diary, "a") as file:
        file.write(f"{word} {name}\\n")
def end(*_):
    note("told")
    time.sleep(.3)
    note("ended")
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("awake", flush=True)
time.sleep(600)
"""


def test_a_layer_is_stopped_at_once_and_only_after_those_that_ask_it(settings: Settings) -> None:
    """Each writes when it was told to stop and when it ended; a store that went first would lose answers."""
    settings.home.mkdir()
    program, diary = settings.home / "program.py", settings.home / "diary"
    program.write_text(ENDS_SLOWLY)
    layers: dict[str, Layer] = {"store": "stores", "page": "doors", "shell": "doors", "cache": "stores"}
    services = [
        Service(name, (sys.executable, str(program), str(diary), name), "", lambda: True, layer=layer)
        for name, layer in layers.items()
    ]
    with open_supervisor(settings, services) as supervisor:
        assert until(lambda: all("awake" in supervisor.log_tail(name) for name in layers))
    lines = diary.read_text().splitlines()
    assert [sorted(lines[at : at + 2]) for at in range(0, 8, 2)] == [
        ["told page", "told shell"],
        ["ended page", "ended shell"],
        ["told cache", "told store"],
        ["ended cache", "ended store"],
    ]
