"""Holds the tests marked `pure` to it: they start no process, connect to nothing and listen nowhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STARTS = frozenset(
    {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "socket.connect", "socket.bind"}
)
"""Audit events (PEP 578; listed in Python's documentation) of what a pure test leaves alone."""


class Purity:
    """The audit hook of this process. It is only added once a pure test runs: a hook hears every event."""

    def __init__(self) -> None:
        self.added = self.holding = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within the block whatever is in `STARTS` raises AssertionError where it is tried."""
        if not self.added:
            sys.addaudithook(self._hear)
            self.added = True
        self.holding = True
        try:
            yield
        finally:
            self.holding = False

    def _hear(self, event: str, _: tuple[Any, ...]) -> None:
        if self.holding and event in STARTS:
            raise AssertionError(f"a test marked `pure` reached for {event}")


PURITY = Purity()
