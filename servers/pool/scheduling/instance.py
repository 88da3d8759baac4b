"""One model's place in the pool: its phase, its queue, what runs on it and what was measured. Data only."""

import math
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tools.errors import Capibara6Error

DEMAND_S = 300.0
"""Demand is the count of requests, each fading with this time constant."""
FAILURES_S = 300.0
FAILURES = 3
"""So many failed loads within FAILURES_S open the circuit for OPEN_S."""
OPEN_S = 300.0


class Phase(StrEnum):
    COLD = "cold"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    SLEEPING = "sleeping"
    WAKING = "waking"
    STOPPING = "stopping"
    FAILED = "failed"


_HOLDS_SLOT = frozenset({Phase.STARTING, Phase.READY, Phase.DRAINING, Phase.WAKING, Phase.STOPPING})
RESTS = frozenset({Phase.COLD, Phase.FAILED, Phase.SLEEPING})
LOADING = frozenset({Phase.STARTING, Phase.WAKING})


@dataclass(slots=True, eq=False)
class Ticket:
    """One request's claim. Exactly one of granted and refused becomes true, once; `left` ends it."""

    instance: str
    since: float
    granted: bool = False
    refused: Capibara6Error | None = None
    left: bool = False
    waited_s: float = 0.0
    load_s: float = 0.0
    generation: int = 0
    waiter: Any = None
    """Whatever the owner waits on; the state machine never touches it."""


@dataclass(slots=True, eq=False)
class Instance:
    """`managed` instances hold a slot and have a process behind them; the others are always ready."""

    name: str
    concurrency: int
    managed: bool
    idle_s: float
    pinned: bool = False
    sleeps: bool = False
    phase: Phase = Phase.COLD
    generation: int = 0
    in_flight: set[Ticket] = field(default_factory=set)
    queue: deque[Ticket] = field(default_factory=deque)
    since: float = 0.0
    """When the current phase began."""
    ready_at: float = 0.0
    used_at: float = 0.0
    """When the last request ended."""
    alone_since: float | None = None
    """Since when nobody waits for the load that runs."""
    wished: bool = False
    """Somebody asked for the model to be loaded, without a request."""
    leaving_for: str | None = None
    """While draining: the instance that gets the slot, or the verb that asked."""
    dozing: bool = False
    """While stopping: it falls asleep and keeps its process."""
    outside: bool = False
    """While stopping: it was asleep and has no slot to give back."""
    failures: list[float] = field(default_factory=list)
    until: float = 0.0
    cause: Capibara6Error | None = None
    silences: int = 0
    proven: bool = False
    """Since it became ready it has answered at least once."""
    load_s: float = 0.0
    need: int = 0
    """Bytes it is expected to take, or was measured to."""
    demand: float = 0.0
    demand_at: float = 0.0
    loads: int = 0
    evictions: int = 0

    def turn(self, phase: Phase, now: float) -> None:
        self.phase, self.since = phase, now

    @property
    def holds_slot(self) -> bool:
        return self.phase in _HOLDS_SLOT and not self.outside

    @property
    def wanted(self) -> bool:
        return bool(self.queue) or self.wished

    @property
    def unsettled(self) -> bool:
        """It wants a slot that it does not have, or leaves one that might not be needed any more."""
        return self.phase is Phase.DRAINING or (self.phase in RESTS and self.wanted)

    @property
    def oldest(self) -> float:
        """Since when somebody waits; infinite when nobody does."""
        return self.queue[0].since if self.queue else math.inf

    def ask(self, now: float) -> None:
        """Count one request."""
        self.demand = self.demand_now(now) + 1.0
        self.demand_at = now

    def demand_now(self, now: float) -> float:
        return self.demand * math.exp((self.demand_at - now) / DEMAND_S)

    def fail(self, now: float, cause: Capibara6Error, *, backoff: bool) -> None:
        """Note a failure; it decides until when the model is not tried again."""
        self.failures = [at for at in self.failures if now - at < FAILURES_S] + [now]
        self.cause = cause
        if len(self.failures) >= FAILURES:
            self.until = now + OPEN_S
        elif backoff:
            self.until = now + 4.0 ** (len(self.failures) - 1)

    def suspect(self, now: float) -> bool:
        """True when its last load failed lately: nothing is evicted for it."""
        return self.cause is not None and any(now - at < FAILURES_S for at in self.failures)
