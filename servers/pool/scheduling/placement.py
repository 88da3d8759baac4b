"""Placement and eviction: decides which model is loaded, which waits, which is evicted, and when.

Pure: instances in, decisions out; it changes nothing and never waits. `scheduler.py` carries them out. The
decisions are told as a numbered list there.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from servers.pool.scheduling.instance import LOADING, WITHOUT_SLOT, Instance, Phase

RESIDENCY_S = 10.0
"""A model that was loaded stays at least its own load time, at most this long."""
ABANDON_S = 5.0
"""A load that nobody waits for is cancelled after this time, or at once when another model needs its slot."""


class Start(NamedTuple):
    """Start the instance's process, or wake it."""

    name: str


class Evict(NamedTuple):
    """Stop (or put to sleep) an idle model, or a load that nobody waits for."""

    name: str
    why: str


class Drain(NamedTuple):
    """Grant nothing more on a busy model, so that it empties for a starving one."""

    name: str
    beneficiary: str


class Resume(NamedTuple):
    """End a drain: its beneficiary has found another place, or nobody waits any more."""

    name: str


class DoesNotFit(NamedTuple):
    """It can never fit here: its waiters are told."""

    name: str


Decision = Start | Evict | Drain | Resume | DoesNotFit


@dataclass(frozen=True)
class Policy:
    """`slots`: so many models may be loaded. `starve_s`: whoever waited so long is passed by nobody."""

    slots: int
    starve_s: float


def plan(instances: Mapping[str, Instance], policy: Policy, now: float, free: int | None) -> list[Decision]:
    """What the present state asks for, in this order. `free` is memory in bytes, None when unknown."""
    managed = [instance for instance in instances.values() if instance.managed]
    return list(_Plan(managed, policy, now, free).decisions())


def worth(instance: Instance, now: float) -> float:
    """What keeping a model is worth: seconds to reload it x demand for it ÷ memory that it would free."""
    return max(instance.load_s, 0.001) * instance.current_demand(now) / max(instance.memory_bytes, 1)


class _Plan:
    """The bookkeeping of one plan: slots and memory as they would be after the decisions so far."""

    def __init__(self, instances: list[Instance], policy: Policy, now: float, free: int | None) -> None:
        self.instances, self.policy, self.now = instances, policy, now
        names = {instance.name for instance in instances}
        self.open = policy.slots - sum(1 for instance in instances if instance.holds_slot)
        self.stopping = sum(
            1 for instance in instances if instance.phase is Phase.STOPPING and instance.holds_slot
        )
        self.stopping_from_sleep = sum(1 for instance in instances if instance.stopping_from_sleep)
        self.draining = [
            instance
            for instance in instances
            if instance.phase is Phase.DRAINING and instance.draining_for in names
        ]
        self.free = math.inf if free is None else free - _promised(instances)
        self.leaving: set[str] = set()

    def decisions(self) -> Iterator[Decision]:
        # A load that was asked for without a request comes after those who wait.
        wanters = sorted(
            (instance for instance in self.instances if self._wants_slot(instance)),
            key=lambda instance: instance.waiting_since,
        )
        spare = list(self.draining)
        for place, instance in enumerate(wanters, start=1):
            if self.open > 0 and instance.memory_bytes <= self.free:
                self.open -= 1
                self.free -= instance.memory_bytes
                yield Start(instance.name)
                continue
            if self.stopping:
                self.stopping -= 1
            elif self.open > 0 and self.stopping_from_sleep:
                # It waits for memory, and a sleeper is just giving some back.
                self.stopping_from_sleep -= 1
            elif spare:
                spare.pop()
            else:
                yield from self._make_room(instance)
            if self._starves(instance):
                # Whoever came later does not slip past a model that starves.
                del spare[: len(wanters) - place]
                break
        yield from (Resume(instance.name) for instance in spare)

    def _wants_slot(self, instance: Instance) -> bool:
        return (
            instance.phase in WITHOUT_SLOT
            and instance.wanted
            and (instance.load_requested or self.now >= instance.retry_at)
        )

    def _starves(self, instance: Instance) -> bool:
        return self.now - instance.waiting_since >= self.policy.starve_s

    def _make_room(self, instance: Instance) -> Iterator[Decision]:
        if instance.failed_lately(self.now) and not instance.load_requested:
            return
        others = [
            other for other in self.instances if other is not instance and other.name not in self.leaving
        ]
        victim = _cheapest((other for other in others if self._evictable(other, instance)), self.now)
        if victim is not None:
            self.leaving.add(victim.name)
            yield Evict(victim.name, f"room for {instance.name}")
            return
        if self.open > 0 and not any(other.holds_slot for other in others) and not self.leaving:
            sleeping = _cheapest((other for other in others if other.phase is Phase.SLEEPING), self.now)
            if sleeping is None:
                yield DoesNotFit(instance.name)
                return
            self.leaving.add(sleeping.name)
            yield Evict(sleeping.name, f"memory for {instance.name}")
            return
        if self._starves(instance):
            busy = _cheapest((o for o in others if o.phase is Phase.READY and not o.pinned), self.now)
            if busy is not None:
                self.leaving.add(busy.name)
                yield Drain(busy.name, instance.name)

    def _evictable(self, other: Instance, wanter: Instance) -> bool:
        if other.phase in LOADING:
            return not other.wanted
        idle = other.phase is Phase.READY and not other.in_flight and not other.wanted and not other.pinned
        settled = self.now - other.ready_at >= min(RESIDENCY_S, other.load_s)
        return idle and (settled or self._starves(wanter))


def _cheapest(instances: Iterable[Instance], now: float) -> Instance | None:
    """The one that is cheapest to lose: a load that nobody waits for, then by worth, then by last use."""
    return min(
        instances,
        key=lambda instance: (instance.phase not in LOADING, worth(instance, now), instance.last_used_at),
        default=None,
    )


def _promised(instances: list[Instance]) -> int:
    """Memory promised to loads that have not taken it yet, in bytes."""
    return sum(instance.memory_bytes for instance in instances if instance.phase in LOADING)
