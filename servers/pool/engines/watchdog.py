"""The watchdog between the pool and one engine: nothing of the engine outlives the pool or itself.

Run as its own program: `python -I -S watchdog.py COMMAND…`, its standard input a pipe from the pool. It leads
the engine's session and adopts every orphan. Standard library only: it starts before anything else.
"""

import ctypes
import os
import selectors
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

_libc = ctypes.CDLL(None, use_errno=True)


def main(command: list[str]) -> int:
    """Run `command` until it ends, the pool dies (end of input) or SIGTERM is passed on and obeyed."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    waker, wakes = os.pipe()
    for end in (waker, wakes):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _only_wake)
    # This program has one thread, so the hook between fork and exec is safe.
    engine = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)  # noqa: PLW1509
    selector = selectors.DefaultSelector()
    selector.register(waker, selectors.EVENT_READ)
    selector.register(0, selectors.EVENT_READ)
    while engine.poll() is None:
        for key, _ in selector.select():
            if key.fd == 0 and not os.read(0, 64):
                _end_all()
                return 0
            if key.fd == waker and signal.SIGTERM in os.read(waker, 64):
                engine.send_signal(signal.SIGTERM)
    _end_all()
    return engine.returncode if engine.returncode >= 0 else 128 - engine.returncode


def _only_wake(_number: int, _frame: object) -> None:
    """The signal is read from the wakeup pipe."""


def _die_with_parent() -> None:
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _end_all() -> None:
    """Kill every descendant; orphans come to us, so the tree below shrinks to nothing."""
    while children := _descendants(os.getpid()):
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        for task in tasks:
            for child in (task / "children").read_text().split():
                found += [int(child), *_descendants(int(child))]
    except OSError:
        return found
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
