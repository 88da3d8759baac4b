"""One run of a request: deadline, row and memory limits, kill flag, `$variables`, the rows a pipe brought."""

import sqlite3
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from servers.graph.errors import MemoryExceeded, QueryKilled
from servers.graph.storage.space import SpaceStore
from servers.graph.values.types import Parameters

Row = list[Any]
Rows = list[Row]


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """The bounds of one query: seconds, rows held at once, bytes held at once, steps of a path search."""

    deadline_s: float = 30.0
    rows: int = 1_000_000
    bytes: int = 256 * 2**20
    steps: int = 100


@dataclass(slots=True)
class Execution:
    """One run of a request. `variables` are the results of `$x = …`, `input` the rows that a pipe brought.

    `deadline` is monotonic seconds; `profile` maps a plan's `id()` to its rows and microseconds under
    PROFILE.
    """

    limits: QueryLimits
    deadline: float
    parameters: Parameters
    store: SpaceStore | None = None
    connection: sqlite3.Connection | None = None
    variables: dict[str, Rows] = field(default_factory=dict)
    input: Rows = field(default_factory=list)
    killed: bool = False
    profile: dict[int, tuple[int, int]] = field(default_factory=dict)
    _ticks: int = 0
    _held: int = 0

    def tick(self) -> None:
        """Call once a row of work. Every 256th call is a `check`."""
        self._ticks += 1
        if not self._ticks & 255:
            self.check()

    def check(self) -> None:
        """Raises `QueryKilled` when the query was killed or its deadline is over."""
        if self.killed:
            raise QueryKilled("Execution had been killed")
        if time.monotonic() > self.deadline:
            raise QueryKilled(f"the query ran beyond its deadline of {self.limits.deadline_s:g} s")

    def account_rows(self, rows: Rows) -> Rows:
        """The rows that a step made.

        Raises `QueryKilled` when they are too many, `MemoryExceeded` when too large.
        """
        if len(rows) > self.limits.rows:
            raise QueryKilled(f"the query made {len(rows)} rows; at most {self.limits.rows} are allowed")
        if len(rows) > 1000:
            self._check_size(rows)
        return rows

    def account_growth(self, count: int, latest: Any = None) -> None:
        """Refuse early, while rows are still being made: `count` so far, `latest` stands for all.

        Raises `QueryKilled`, `MemoryExceeded`.
        """
        if count > self.limits.rows:
            raise QueryKilled(f"the query makes more than {self.limits.rows} rows")
        if not count & 63 or not count & (count - 1):
            self.check_bytes(count * estimate_bytes(latest))
        self.tick()

    def _check_size(self, rows: Rows) -> None:
        sample = rows[:: max(1, len(rows) // 64)]
        self.check_bytes(sum(map(estimate_bytes, sample)) * len(rows) // len(sample))

    def check_bytes(self, size: int) -> None:
        """Raises `MemoryExceeded` for more bytes than the query may hold."""
        if size > self.limits.bytes:
            raise MemoryExceeded(f"the query needs about {size} bytes; {self.limits.bytes} are allowed")


def estimate_bytes(value: Any, depth: int = 0) -> int:
    """Rough bytes of a value: containers count by a sample of their items, a few levels deep."""
    size = sys.getsizeof(value)
    if depth > 3:
        return size
    if isinstance(value, list | tuple):
        sample = value[:16]
        inner = sum(estimate_bytes(item, depth + 1) for item in sample)
        return size + inner * len(value) // max(1, len(sample))
    if isinstance(value, dict):
        return size + sum(estimate_bytes(item, depth + 1) + 50 for item in list(value.values())[:32])
    return size + 200 if hasattr(value, "__slots__") else size
