"""One instance of a model: phase, queue, what runs on it, what was measured. Data and arithmetic only.

An instance is one model on one backend. Times are seconds of a monotonic clock, sizes are bytes.
"""

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from tools.errors import Capibara6Error

DEMAND_S = 300.0
"""Demand is the count of requests, each fading with this time constant."""
FAILURES_S = 300.0
FAILURES = 3
"""So many failed loads within FAILURES_S open the circuit for OPEN_S."""
OPEN_S = 300.0


class Phase(StrEnum):
    """Where the process behind an instance stands."""

    COLD = "cold"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    SLEEPING = "sleeping"
    WAKING = "waking"
    STOPPING = "stopping"
    FAILED = "failed"


_HOLDS_SLOT = frozenset({Phase.STARTING, Phase.READY, Phase.DRAINING, Phase.WAKING, Phase.STOPPING})
WITHOUT_SLOT = frozenset({Phase.COLD, Phase.FAILED, Phase.SLEEPING})
LOADING = frozenset({Phase.STARTING, Phase.WAKING})


@dataclass(slots=True, eq=False)
class Reservation:
    """One request's claim on an instance. Exactly one of `granted` and `refused` becomes true, once."""

    instance: str
    queued_at: float
    """Since when it waits; begins anew when a load that it waited for has ended."""
    granted: bool = False
    refused: Capibara6Error | None = None
    released: bool = False
    waited_s: float = 0.0
    load_s: float = 0.0
    """Seconds of the load that it waited for; 0 when it waited for none."""
    generation: int = 0
    """The instance's generation when it was granted."""
    waiter: asyncio.Future[None] | None = None
    """What `Admission` waits on; the state machine never touches it."""


@dataclass(slots=True, eq=False)
class Instance:
    """`managed` instances hold a slot and have a process behind them; the others are always ready."""

    name: str
    concurrency: int
    """So many requests run on it at once; the others queue."""
    managed: bool
    idle_s: float
    """After so long without a request it is stopped."""
    pinned: bool = False
    """Never evicted and never idle."""
    can_sleep: bool = False
    phase: Phase = Phase.COLD
    generation: int = 0
    """Counts its starts: what an earlier process reports is void."""
    in_flight: set[Reservation] = field(default_factory=set[Reservation])
    queue: deque[Reservation] = field(default_factory=deque[Reservation])
    phase_since: float = 0.0
    ready_at: float = 0.0
    last_used_at: float = 0.0
    """When the last request ended."""
    unwanted_since: float | None = None
    """Since when nobody waits for the load that runs."""
    load_requested: bool = False
    """Somebody asked for the model to be loaded, without a request."""
    draining_for: str | None = None
    """While draining: the instance that gets the slot, or `scheduler.UNLOAD`."""
    falling_asleep: bool = False
    """While stopping: it falls asleep and keeps its process."""
    stopping_from_sleep: bool = False
    """While stopping: it was asleep and has no slot to give back."""
    failed_at: list[float] = field(default_factory=list[float])
    retry_at: float = 0.0
    """Not started again before, unless somebody asks for it."""
    last_error: Capibara6Error | None = None
    silences: int = 0
    """Answers in a row that ended without a first token."""
    has_answered: bool = False
    """At least once since it became ready."""
    load_s: float = 0.0
    """Seconds of the last load."""
    memory_bytes: int = 0
    """What it is expected to take, or was measured to."""
    demand: float = 0.0
    demand_at: float = 0.0
    loads: int = 0
    evictions: int = 0

    def enter(self, phase: Phase, now: float) -> None:
        """Change the phase."""
        self.phase, self.phase_since = phase, now

    @property
    def holds_slot(self) -> bool:
        """Whether it counts among `max_loaded`."""
        return self.phase in _HOLDS_SLOT and not self.stopping_from_sleep

    @property
    def wanted(self) -> bool:
        """Whether anybody waits for it."""
        return bool(self.queue) or self.load_requested

    @property
    def needs_plan(self) -> bool:
        """It wants a slot that it does not have, or gives one up that might not be needed any more."""
        return self.phase is Phase.DRAINING or (self.phase in WITHOUT_SLOT and self.wanted)

    @property
    def waiting_since(self) -> float:
        """Since when its first waiter waits; infinite when nobody does."""
        return self.queue[0].queued_at if self.queue else math.inf

    def count_request(self, now: float) -> None:
        """Add one request to the demand."""
        self.demand = self.current_demand(now) + 1.0
        self.demand_at = now

    def current_demand(self, now: float) -> float:
        """Requests so far, each worth exp(-age / DEMAND_S)."""
        return self.demand * math.exp((self.demand_at - now) / DEMAND_S)

    def count_failure(self, now: float, cause: Capibara6Error, *, backoff: bool) -> None:
        """Note a failure; it decides `retry_at`: after 1 s, 4 s, and then when the circuit closes."""
        self.failed_at = [at for at in self.failed_at if now - at < FAILURES_S] + [now]
        self.last_error = cause
        if len(self.failed_at) >= FAILURES:
            self.retry_at = now + OPEN_S
        elif backoff:
            self.retry_at = now + 4.0 ** (len(self.failed_at) - 1)

    def failed_lately(self, now: float) -> bool:
        """True when its last load failed within FAILURES_S: nothing is evicted for it."""
        return self.last_error is not None and any(now - at < FAILURES_S for at in self.failed_at)
