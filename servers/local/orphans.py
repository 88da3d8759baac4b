"""What a home's earlier run left behind, when its supervisor was killed: known again, and ended."""

import json
import os
import signal
from collections.abc import Collection, Iterable
from pathlib import Path

import psutil

INSTANCE_VARIABLE = "CAPIBARA6_INSTANCE"
"""Every process under supervisord carries it: the home that it belongs to."""
CLOCK_S = 1.0
"""A start time moves as much when the machine's clock is set."""


class Children:
    """The processes of one home, kept in a file: `{pid: start time}`, as psutil tells it in epoch seconds."""

    def __init__(self, home: Path) -> None:
        self.path = home.absolute() / "run" / "children.json"
        try:
            self.known: dict[str, float] = json.loads(self.path.read_text())
        except (OSError, ValueError):  # there is none yet, or its machine lost power while it was written
            self.known = {}

    def note(self, pids: Iterable[int]) -> None:
        """Write down who runs now, when that has changed."""
        now = {str(pid): started for pid in pids if (started := _start_of(pid)) is not None}
        if now != self.known:
            self.known = now
            self.path.write_text(json.dumps(now))

    def knows(self, process: psutil.Process) -> bool:
        """Whether it is one of them, and no later process with its number."""
        noted, started = self.known.get(str(process.pid)), _start_of(process.pid)
        return noted is not None and started is not None and abs(noted - started) < CLOCK_S


def stop_orphans(home: Path, *, spared: Collection[int] = ()) -> list[int]:
    """End processes that an earlier run of this home left behind, but for `spared`; returns their pids.

    They are known by the variable that each of them carries, or by pid and start time: a program that writes
    its title over its environment, as Valkey does, hides the variable.
    """
    mine, noted = str(home.absolute()), Children(home)
    left = [
        process
        for process in psutil.process_iter()
        if (_instance_of(process) == mine or noted.knows(process))
        and process.pid not in (os.getpid(), *spared)
    ]
    for process in left:
        _signal(process, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(left, timeout=5)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=5)
    return [process.pid for process in left]


def _start_of(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def _instance_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(INSTANCE_VARIABLE)
    except psutil.Error:
        return None


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
