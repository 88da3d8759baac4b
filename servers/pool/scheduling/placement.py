"""Who loads, who waits, who leaves. Pure: instances in, moves out; it changes nothing and never waits."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from servers.pool.scheduling.instance import LOADING, RESTS, Instance, Phase

RESIDENCY_S = 10.0
"""A model that was loaded stays at least its own load time, at most this long."""
ABANDON_S = 5.0
"""A load that nobody waits for is cancelled after this time, or at once when another model needs its slot."""


class Start(NamedTuple):
    name: str


class Evict(NamedTuple):
    """Stop (or put to sleep) an idle model, or a load that nobody waits for."""

    name: str
    why: str


class Close(NamedTuple):
    """Close a busy model's door so that it empties for a starving one."""

    name: str
    beneficiary: str


class Reopen(NamedTuple):
    name: str


class TooBig(NamedTuple):
    """It can never fit here: its waiters are told."""

    name: str


Move = Start | Evict | Close | Reopen | TooBig


@dataclass(frozen=True)
class Rules:
    slots: int
    starve_s: float
    """After so long a wait no fast path of others comes first."""


def plan(instances: Mapping[str, Instance], rules: Rules, now: float, free: int | None) -> list[Move]:
    """The moves that the present state asks for. `free` is memory in bytes, None when unknown."""
    managed = [instance for instance in instances.values() if instance.managed]
    return list(_Table(managed, rules, now, free).moves())


class _Table:
    """The bookkeeping of one planning: slots and memory as they would be after the moves so far."""

    def __init__(self, instances: list[Instance], rules: Rules, now: float, free: int | None) -> None:
        self.instances, self.rules, self.now = instances, rules, now
        self.open = rules.slots - sum(1 for instance in instances if instance.holds_slot)
        self.stopping = sum(
            1 for instance in instances if instance.phase is Phase.STOPPING and instance.holds_slot
        )
        self.outside = sum(1 for instance in instances if instance.outside)
        self.closing = [
            instance
            for instance in instances
            if instance.phase is Phase.DRAINING and instance.leaving_for in self.names
        ]
        self.free = math.inf if free is None else free - _unfinished(instances)
        self.gone: set[str] = set()

    @property
    def names(self) -> set[str]:
        return {instance.name for instance in self.instances}

    def moves(self) -> Iterator[Move]:
        wanters = sorted((instance for instance in self.instances if self._wants(instance)), key=_turn)
        spare = list(self.closing)
        for place, instance in enumerate(wanters, start=1):
            if self.open > 0 and instance.need <= self.free:
                self.open -= 1
                self.free -= instance.need
                yield Start(instance.name)
                continue
            if self.stopping:
                self.stopping -= 1
            elif self.open > 0 and self.outside:
                # It waits for memory, and a sleeper is just giving some back.
                self.outside -= 1
            elif spare:
                spare.pop()
            else:
                yield from self._make_room(instance)
            if self._starves(instance):
                # Whoever came later does not slip past a model that starves.
                del spare[: len(wanters) - place]
                break
        yield from (Reopen(instance.name) for instance in spare)

    def _wants(self, instance: Instance) -> bool:
        return instance.phase in RESTS and instance.wanted and (instance.wished or self.now >= instance.until)

    def _starves(self, instance: Instance) -> bool:
        return self.now - instance.oldest >= self.rules.starve_s

    def _make_room(self, instance: Instance) -> Iterator[Move]:
        if instance.suspect(self.now) and not instance.wished:
            return
        others = [other for other in self.instances if other is not instance and other.name not in self.gone]
        victim = _cheapest((other for other in others if self._may_leave(other, instance)), self.now)
        if victim is not None:
            self.gone.add(victim.name)
            yield Evict(victim.name, f"room for {instance.name}")
            return
        if self.open > 0 and not any(other.holds_slot for other in others) and not self.gone:
            sleeping = _cheapest((other for other in others if other.phase is Phase.SLEEPING), self.now)
            if sleeping is not None:
                self.gone.add(sleeping.name)
            yield Evict(sleeping.name, f"memory for {instance.name}") if sleeping else TooBig(instance.name)
            return
        if self._starves(instance):
            busy = _cheapest((o for o in others if o.phase is Phase.READY and not o.pinned), self.now)
            if busy is not None:
                self.gone.add(busy.name)
                yield Close(busy.name, instance.name)

    def _may_leave(self, other: Instance, wanter: Instance) -> bool:
        if other.phase in LOADING:
            return not other.wanted
        idle = other.phase is Phase.READY and not other.in_flight and not other.wanted and not other.pinned
        settled = self.now - other.ready_at >= min(RESIDENCY_S, other.load_s)
        return idle and (settled or self._starves(wanter))


def worth(instance: Instance, now: float) -> float:
    """What keeping a model is worth: seconds to reload it x demand for it ÷ memory it would free."""
    return max(instance.load_s, 0.001) * instance.demand_now(now) / max(instance.need, 1)


def _cheapest(instances: Iterable[Instance], now: float) -> Instance | None:
    return min(
        instances,
        key=lambda instance: (instance.phase not in LOADING, worth(instance, now), instance.used_at),
        default=None,
    )


def _turn(instance: Instance) -> float:
    # A wish without a waiter comes after those who wait.
    return instance.oldest


def _unfinished(instances: list[Instance]) -> int:
    """Memory promised to loads that have not taken it yet."""
    return sum(instance.need for instance in instances if instance.phase in LOADING)
