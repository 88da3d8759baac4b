"""Who loads, who waits, who leaves. Pure: lanes in, moves out; it changes nothing and never waits."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from servers.pool.scheduling.instance import LOADING, RESTS, Lane, Phase

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


def plan(lanes: Mapping[str, Lane], rules: Rules, now: float, free: int | None) -> list[Move]:
    """The moves that the present state asks for. `free` is memory in bytes, None when unknown."""
    managed = [lane for lane in lanes.values() if lane.managed]
    return list(_Table(managed, rules, now, free).moves())


class _Table:
    """The bookkeeping of one planning: slots and memory as they would be after the moves so far."""

    def __init__(self, lanes: list[Lane], rules: Rules, now: float, free: int | None) -> None:
        self.lanes, self.rules, self.now = lanes, rules, now
        self.open = rules.slots - sum(1 for lane in lanes if lane.holds_slot)
        self.stopping = sum(1 for lane in lanes if lane.phase is Phase.STOPPING and lane.holds_slot)
        self.outside = sum(1 for lane in lanes if lane.outside)
        self.closing = [
            lane for lane in lanes if lane.phase is Phase.DRAINING and lane.leaving_for in self.names
        ]
        self.free = math.inf if free is None else free - _unfinished(lanes)
        self.gone: set[str] = set()

    @property
    def names(self) -> set[str]:
        return {lane.name for lane in self.lanes}

    def moves(self) -> Iterator[Move]:
        wanters = sorted((lane for lane in self.lanes if self._wants(lane)), key=_turn)
        spare = list(self.closing)
        for place, lane in enumerate(wanters, start=1):
            if self.open > 0 and lane.need <= self.free:
                self.open -= 1
                self.free -= lane.need
                yield Start(lane.name)
                continue
            if self.stopping:
                self.stopping -= 1
            elif self.open > 0 and self.outside:
                # It waits for memory, and a sleeper is just giving some back.
                self.outside -= 1
            elif spare:
                spare.pop()
            else:
                yield from self._make_room(lane)
            if self._starves(lane):
                # Whoever came later does not slip past a model that starves.
                del spare[: len(wanters) - place]
                break
        yield from (Reopen(lane.name) for lane in spare)

    def _wants(self, lane: Lane) -> bool:
        return lane.phase in RESTS and lane.wanted and (lane.wished or self.now >= lane.until)

    def _starves(self, lane: Lane) -> bool:
        return self.now - lane.oldest >= self.rules.starve_s

    def _make_room(self, lane: Lane) -> Iterator[Move]:
        if lane.suspect(self.now) and not lane.wished:
            return
        others = [other for other in self.lanes if other is not lane and other.name not in self.gone]
        victim = _cheapest((other for other in others if self._may_leave(other, lane)), self.now)
        if victim is not None:
            self.gone.add(victim.name)
            yield Evict(victim.name, f"room for {lane.name}")
            return
        if self.open > 0 and not any(other.holds_slot for other in others) and not self.gone:
            sleeping = _cheapest((other for other in others if other.phase is Phase.SLEEPING), self.now)
            if sleeping is not None:
                self.gone.add(sleeping.name)
            yield Evict(sleeping.name, f"memory for {lane.name}") if sleeping else TooBig(lane.name)
            return
        if self._starves(lane):
            busy = _cheapest((o for o in others if o.phase is Phase.READY and not o.pinned), self.now)
            if busy is not None:
                self.gone.add(busy.name)
                yield Close(busy.name, lane.name)

    def _may_leave(self, other: Lane, wanter: Lane) -> bool:
        if other.phase in LOADING:
            return not other.wanted
        idle = other.phase is Phase.READY and not other.in_flight and not other.wanted and not other.pinned
        settled = self.now - other.ready_at >= min(RESIDENCY_S, other.load_s)
        return idle and (settled or self._starves(wanter))


def worth(lane: Lane, now: float) -> float:
    """What keeping a model is worth: seconds to reload it x demand for it ÷ memory it would free."""
    return max(lane.load_s, 0.001) * lane.demand_now(now) / max(lane.need, 1)


def _cheapest(lanes: Iterable[Lane], now: float) -> Lane | None:
    return min(
        lanes, key=lambda lane: (lane.phase not in LOADING, worth(lane, now), lane.used_at), default=None
    )


def _turn(lane: Lane) -> float:
    # A wish without a waiter comes after those who wait.
    return lane.oldest


def _unfinished(lanes: list[Lane]) -> int:
    """Memory promised to loads that have not taken it yet."""
    return sum(lane.need for lane in lanes if lane.phase in LOADING)
