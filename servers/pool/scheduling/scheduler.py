"""The state machine of the pool: events in, effects out. It owns every lane and every ticket.

It never awaits, so each event is whole: nobody can look and then act on something that changed between.
Time is an argument. What really starts, stops or answers is behind `Effects`.
"""

import math
from collections.abc import Iterable
from typing import Any, Protocol, assert_never

from servers.pool.scheduling.instance import LOADING, Lane, Phase, Ticket
from servers.pool.scheduling.placement import ABANDON_S, Close, Evict, Reopen, Rules, Start, TooBig, plan
from servers.pool.scheduling.queues import Desk, closed, too_big
from tools.errors import Capibara6Error, Unavailable, UpstreamSilent
from tools.settings import Pool as Limits

ASKED = "(asked)"
SILENCES = 2
"""So many answers in a row without a first token, and the engine is taken for dead."""


class Effects(Protocol):
    """The hand of the state machine. Each call returns at once; results come back as events."""

    def start(self, name: str, generation: int) -> None: ...
    def stop(self, name: str, generation: int) -> None: ...
    def sleep(self, name: str, generation: int) -> None: ...
    def wake(self, name: str, generation: int) -> None: ...
    def settle(self, ticket: Ticket) -> None: ...
    def note(self, event: str, name: str, **fields: Any) -> None: ...
    def free(self) -> int | None: ...


class Scheduler:
    def __init__(self, lanes: Iterable[Lane], limits: Limits, effects: Effects) -> None:
        self.lanes = {lane.name: lane for lane in lanes}
        self.limits = limits
        self.effects = effects
        self.rules = Rules(slots=limits.max_loaded, starve_s=limits.queue_wait_s / 3)
        self.desk = Desk(limits, effects.settle)
        for lane in self.lanes.values():
            if not lane.managed:
                lane.phase = Phase.READY

    # What requests do.

    def request(self, name: str, now: float) -> Ticket:
        """A claim on `name`: granted, refused, or waiting until `settle` is called for it."""
        lane = self.lanes[name]
        lane.ask(now)
        ticket = Ticket(name, now)
        if lane.phase is Phase.READY and not lane.queue and len(lane.in_flight) < lane.concurrency:
            self.desk.grant(lane, ticket, now)
            return ticket
        ticket.refused = self.desk.objection(lane, now)
        if ticket.refused is None:
            self.desk.add(lane, ticket)
            self._plan(now)
        return ticket

    def leave(self, ticket: Ticket, now: float) -> None:
        """The request is over, or its client went. Safe to call more than once."""
        if ticket.left:
            return
        ticket.left = True
        lane = self.lanes[ticket.lane]
        if ticket in lane.in_flight:
            lane.in_flight.discard(ticket)
            lane.used_at = now
            if lane.queue or lane.phase is not Phase.READY:
                self._emptied(lane, now)
            elif not lane.in_flight and self.desk.queued:
                self._plan(now)
        elif not ticket.granted and ticket.refused is None:
            self.desk.remove(lane, ticket)
            if lane.phase in LOADING and not lane.wanted:
                lane.alone_since = now
            self._plan(now)

    def spoke(self, ticket: Ticket) -> None:
        """The engine answered this request: it is alive."""
        lane = self.lanes[ticket.lane]
        lane.silences, lane.proven = 0, True

    def silent(self, ticket: Ticket, now: float) -> None:
        """The engine let this request wait in vain; twice in a row and it is restarted."""
        lane = self.lanes[ticket.lane]
        if not lane.managed or ticket.generation != lane.generation:
            return
        lane.silences += 1
        if lane.silences >= SILENCES and lane.phase in (Phase.READY, Phase.DRAINING):
            self.died(
                lane.name, lane.generation, UpstreamSilent("the engine fell silent", source="engine"), now
            )

    # What people ask.

    def load(self, name: str, now: float) -> None:
        """Load without a request. It also closes the circuit: somebody means to have repaired the model."""
        lane = self.lanes[name]
        if lane.managed and lane.phase is not Phase.READY:
            lane.wished = True
            lane.failures.clear()
            lane.until = 0.0
            self._plan(now)

    def unload(self, name: str, now: float) -> None:
        """Stop a model once what runs on it has ended. Waiters of a load that is cut short are refused."""
        lane = self.lanes[name]
        lane.wished = False
        if not lane.managed:
            return
        if lane.phase is Phase.READY and lane.in_flight:
            lane.leaving_for = ASKED
            lane.turn(Phase.DRAINING, now)
        elif lane.phase in (*LOADING, Phase.READY, Phase.SLEEPING):
            self.desk.refuse_all(lane, Unavailable(f"{name} was unloaded", source="pool", retry_after=1))
            self._stop(lane, "asked", now)

    # What processes report. A report of an earlier generation is void.

    def ready(self, name: str, generation: int, now: float, *, need: int = 0, sleeps: bool = False) -> None:
        lane = self.lanes[name]
        if generation != lane.generation or lane.phase not in LOADING:
            return
        if lane.phase is Phase.STARTING:
            lane.load_s = now - lane.since
            lane.loads += 1
            lane.need = need or lane.need
            lane.sleeps = sleeps
        self.effects.note("ready", name, seconds=round(now - lane.since, 3), waiting=len(lane.queue))
        took = now - lane.since
        lane.turn(Phase.READY, now)
        lane.ready_at = lane.used_at = now
        lane.wished, lane.silences, lane.alone_since = False, 0, None
        lane.proven, lane.cause = False, None
        self.desk.restart_waits(lane, now, took)
        self.desk.pump(lane, now)
        self._plan(now)

    def load_failed(self, name: str, generation: int, cause: Capibara6Error, now: float) -> None:
        """The process of a load is gone; everyone who waited hears the cause."""
        lane = self.lanes[name]
        if generation != lane.generation or lane.phase not in LOADING:
            return
        self._load_failed(lane, cause, now)
        lane.turn(Phase.FAILED, now)
        self._plan(now)

    def slept(self, name: str, generation: int, now: float, *, well: bool) -> None:
        """It fell asleep, or could not: then it is stopped."""
        lane = self.lanes[name]
        if generation != lane.generation or lane.phase is not Phase.STOPPING or not lane.dozing:
            return
        lane.dozing = False
        if well:
            lane.turn(Phase.SLEEPING, now)
            self._plan(now)
            return
        lane.sleeps = False
        self.effects.stop(name, generation)

    def died(self, name: str, generation: int, cause: Capibara6Error, now: float) -> None:
        """A process that had been ready is gone or as good as gone. What is left of its group is ended."""
        lane = self.lanes[name]
        if generation != lane.generation or lane.phase not in (
            Phase.READY, Phase.DRAINING, Phase.SLEEPING, Phase.WAKING, Phase.STOPPING,
        ):  # fmt: skip
            return
        if lane.phase is Phase.STOPPING and not lane.dozing:
            return
        self.effects.note("died", name, cause=cause.message, in_flight=len(lane.in_flight))
        if not lane.proven:
            # It loads but never answers: without counting that, it would be reloaded for ever.
            lane.fail(now, cause, backoff=False)
        lane.in_flight.clear()
        if lane.until > now:
            self.desk.refuse_all(lane, closed(lane, now))
        self._stop(lane, "died", now)

    def stopped(self, name: str, generation: int, now: float) -> None:
        """Death is confirmed and memory is back: the slot is free."""
        lane = self.lanes[name]
        if generation != lane.generation or lane.phase is not Phase.STOPPING:
            return
        lane.outside = False
        lane.turn(Phase.FAILED if lane.until > now else Phase.COLD, now)
        lane.in_flight.clear()
        self._plan(now)

    def tick(self, now: float) -> None:
        """Let time pass: bounds of waiting and loading, idle models, loads that nobody waits for."""
        for lane in self.lanes.values():
            self.desk.expire(lane, now)
            if lane.managed:
                self._age(lane, now)
        self._plan(now)

    # Inside.

    def _emptied(self, lane: Lane, now: float) -> None:
        """A place on `lane` became free."""
        if lane.phase is Phase.READY:
            self.desk.pump(lane, now)
        elif lane.phase is Phase.DRAINING and not lane.in_flight:
            lane.evictions += lane.leaving_for != ASKED
            self._leave_slot(lane, f"drained for {lane.leaving_for}", now)
        if self.desk.queued:
            self._plan(now)

    def _load_failed(self, lane: Lane, cause: Capibara6Error, now: float) -> None:
        lane.wished = False
        lane.fail(now, cause, backoff=True)
        self.effects.note("load_failed", lane.name, cause=cause.message, failures=len(lane.failures))
        if cause.retry_after is None:
            cause.retry_after = max(1, math.ceil(lane.until - now))
        self.desk.refuse_all(lane, cause)

    def _age(self, lane: Lane, now: float) -> None:
        unused = not lane.in_flight and not lane.wanted
        if lane.phase in LOADING:
            if now - lane.since >= self.limits.load_s:
                waited = UpstreamSilent(
                    f"{lane.name} did not load within {self.limits.load_s:g} s", source="pool"
                )
                self._load_failed(lane, waited, now)
                self._stop(lane, "load timeout", now)
            elif lane.alone_since is not None and not lane.wanted and now - lane.alone_since >= ABANDON_S:
                self._stop(lane, "nobody waits", now)
        elif lane.phase in (Phase.READY, Phase.SLEEPING) and unused and not lane.pinned:
            self._stop_idle(lane, now)

    def _stop_idle(self, lane: Lane, now: float) -> None:
        if now - max(lane.used_at, lane.since) >= lane.idle_s:
            self._stop(lane, "idle", now)

    def _leave_slot(self, lane: Lane, why: str, now: float) -> None:
        """Give the slot up: asleep where the engine can, else stopped."""
        if not lane.sleeps or lane.phase not in (Phase.READY, Phase.DRAINING) or lane.leaving_for == ASKED:
            self._stop(lane, why, now)
            return
        self.effects.note("sleeping", lane.name, why=why)
        lane.turn(Phase.STOPPING, now)
        lane.dozing, lane.leaving_for = True, None
        self.effects.sleep(lane.name, lane.generation)

    def _stop(self, lane: Lane, why: str, now: float) -> None:
        self.effects.note("stopping", lane.name, why=why)
        lane.outside = lane.phase is Phase.SLEEPING
        lane.turn(Phase.STOPPING, now)
        lane.dozing, lane.leaving_for, lane.alone_since = False, None, None
        self.effects.stop(lane.name, lane.generation)

    def _start(self, lane: Lane, now: float) -> None:
        lane.alone_since = None
        if lane.phase is Phase.SLEEPING:
            self.effects.note("waking", lane.name, waiting=len(lane.queue))
            lane.turn(Phase.WAKING, now)
            self.effects.wake(lane.name, lane.generation)
            return
        lane.generation += 1
        self.effects.note("starting", lane.name, waiting=len(lane.queue))
        lane.turn(Phase.STARTING, now)
        self.effects.start(lane.name, lane.generation)

    def _plan(self, now: float) -> None:
        if not any(lane.managed and lane.unsettled for lane in self.lanes.values()):
            return
        for move in plan(self.lanes, self.rules, now, self.effects.free()):
            lane = self.lanes[move.name]
            match move:
                case Start():
                    self._start(lane, now)
                case Evict(why=why):
                    lane.evictions += 1
                    self._leave_slot(lane, why, now)
                case Close(beneficiary=beneficiary):
                    self.effects.note("closing", lane.name, why=f"{beneficiary} starves")
                    lane.turn(Phase.DRAINING, now)
                    lane.leaving_for = beneficiary
                case Reopen():
                    self.effects.note("reopened", lane.name)
                    lane.turn(Phase.READY, now)
                    lane.leaving_for = None
                    self.desk.pump(lane, now)
                case TooBig():
                    self.desk.refuse_all(lane, too_big(lane))
                    lane.wished = False
                case _:
                    assert_never(move)
