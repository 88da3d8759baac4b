"""What a running query carries: its limits and its place, and the frame that expressions read."""

import sqlite3
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from servers.graph.errors import MemoryExceeded, QueryKilled
from servers.graph.storage.space import SpaceStore

Row = list[Any]
Rows = list[Row]


@dataclass(frozen=True, slots=True)
class Caps:
    """Bounds of one query: seconds, rows held at once, bytes held at once, steps of a traversal."""

    deadline_s: float = 30.0
    rows: int = 1_000_000
    bytes: int = 256 * 2**20
    steps: int = 100


@dataclass(slots=True)
class Run:
    """One execution. `variables` are results of `$x = …`; `input` the rows that a pipe brought."""

    caps: Caps
    deadline: float
    parameters: dict[str, Any]
    store: SpaceStore | None = None
    connection: sqlite3.Connection | None = None
    variables: dict[str, Rows] = field(default_factory=dict)
    input: Rows = field(default_factory=list)
    killed: bool = False
    profile: dict[int, tuple[int, int]] = field(default_factory=dict)
    _ticks: int = 0
    _held: int = 0

    def tick(self) -> None:
        """Call once a row of work."""
        self._ticks += 1
        if not self._ticks & 255:
            self.check()

    def check(self) -> None:
        if self.killed:
            raise QueryKilled("Execution had been killed")
        if time.monotonic() > self.deadline:
            raise QueryKilled(f"the query ran beyond its deadline of {self.caps.deadline_s:g} s")

    def hold(self, rows: Rows) -> Rows:
        """Account for rows that a step made. Raises when they are too many or too large."""
        if len(rows) > self.caps.rows:
            raise QueryKilled(f"the query made {len(rows)} rows; at most {self.caps.rows} are allowed")
        if len(rows) > 1000:
            self._weigh(rows)
        return rows

    def grow(self, count: int, latest: Any = None) -> None:
        """Refuse early, while rows are still being made; `latest` stands for them all."""
        if count > self.caps.rows:
            raise QueryKilled(f"the query makes more than {self.caps.rows} rows")
        if not count & 63 or not count & (count - 1):
            self.weigh(count * weight(latest))
        self.tick()

    def _weigh(self, rows: Rows) -> None:
        sample = rows[:: max(1, len(rows) // 64)]
        self.weigh(sum(map(weight, sample)) * len(rows) // len(sample))

    def weigh(self, size: int) -> None:
        if size > self.caps.bytes:
            raise MemoryExceeded(f"the query needs about {size} bytes; {self.caps.bytes} are allowed")


def weight(value: Any, depth: int = 0) -> int:
    """Rough bytes of a value: containers count their items, a few levels deep."""
    size = sys.getsizeof(value)
    if depth > 3:
        return size
    if isinstance(value, list | tuple):
        sample = value[:16]
        inner = sum(weight(item, depth + 1) for item in sample)
        return size + inner * len(value) // max(1, len(sample))
    if isinstance(value, dict):
        return size + sum(weight(item, depth + 1) + 50 for item in list(value.values())[:32])
    return size + 200 if hasattr(value, "__slots__") else size


class Frame:
    """What an expression reads while it runs: a row, local names, and the place in a traversal."""

    __slots__ = ("dst", "edge", "locals", "owner", "row", "run", "src", "tags", "vid")

    def __init__(self, run: Run, row: Row | None = None) -> None:
        self.run = run
        self.row: Any = row
        self.locals: dict[str, Any] = {}
        self.src: Any = None
        self.edge: Any = None
        self.dst: Any = None
        self.vid: Any = None
        self.tags: Any = None
        self.owner: Any = None
