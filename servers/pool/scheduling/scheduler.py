"""The state machine of the pool: events in, effects out. It owns every instance and every ticket.

It never awaits, so each event is whole: nobody can look and then act on something that changed between.
Time is an argument. What really starts, stops or answers is behind `Effects`.
"""

import math
from collections.abc import Iterable
from typing import Any, Protocol, assert_never

from servers.pool.scheduling.instance import LOADING, Instance, Phase, Ticket
from servers.pool.scheduling.placement import ABANDON_S, Close, Evict, Reopen, Rules, Start, TooBig, plan
from servers.pool.scheduling.queues import Queues, closed, too_big
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
    def __init__(self, instances: Iterable[Instance], limits: Limits, effects: Effects) -> None:
        self.instances = {instance.name: instance for instance in instances}
        self.limits = limits
        self.effects = effects
        self.rules = Rules(slots=limits.max_loaded, starve_s=limits.queue_wait_s / 3)
        self.queues = Queues(limits, effects.settle)
        for instance in self.instances.values():
            if not instance.managed:
                instance.phase = Phase.READY

    # What requests do.

    def request(self, name: str, now: float) -> Ticket:
        """A claim on `name`: granted, refused, or waiting until `settle` is called for it."""
        instance = self.instances[name]
        instance.ask(now)
        ticket = Ticket(name, now)
        if (
            instance.phase is Phase.READY
            and not instance.queue
            and len(instance.in_flight) < instance.concurrency
        ):
            self.queues.grant(instance, ticket, now)
            return ticket
        ticket.refused = self.queues.objection(instance, now)
        if ticket.refused is None:
            self.queues.add(instance, ticket)
            self._plan(now)
        return ticket

    def leave(self, ticket: Ticket, now: float) -> None:
        """The request is over, or its client went. Safe to call more than once."""
        if ticket.left:
            return
        ticket.left = True
        instance = self.instances[ticket.instance]
        if ticket in instance.in_flight:
            instance.in_flight.discard(ticket)
            instance.used_at = now
            if instance.queue or instance.phase is not Phase.READY:
                self._emptied(instance, now)
            elif not instance.in_flight and self.queues.queued:
                self._plan(now)
        elif not ticket.granted and ticket.refused is None:
            self.queues.remove(instance, ticket)
            if instance.phase in LOADING and not instance.wanted:
                instance.alone_since = now
            self._plan(now)

    def spoke(self, ticket: Ticket) -> None:
        """The engine answered this request: it is alive."""
        instance = self.instances[ticket.instance]
        instance.silences, instance.proven = 0, True

    def silent(self, ticket: Ticket, now: float) -> None:
        """The engine let this request wait in vain; twice in a row and it is restarted."""
        instance = self.instances[ticket.instance]
        if not instance.managed or ticket.generation != instance.generation:
            return
        instance.silences += 1
        if instance.silences >= SILENCES and instance.phase in (Phase.READY, Phase.DRAINING):
            self.died(
                instance.name,
                instance.generation,
                UpstreamSilent("the engine fell silent", source="engine"),
                now,
            )

    # What people ask.

    def load(self, name: str, now: float) -> None:
        """Load without a request. It also closes the circuit: somebody means to have repaired the model."""
        instance = self.instances[name]
        if instance.managed and instance.phase is not Phase.READY:
            instance.wished = True
            instance.failures.clear()
            instance.until = 0.0
            self._plan(now)

    def unload(self, name: str, now: float) -> None:
        """Stop a model once what runs on it has ended. Waiters of a load that is cut short are refused."""
        instance = self.instances[name]
        instance.wished = False
        if not instance.managed:
            return
        if instance.phase is Phase.READY and instance.in_flight:
            instance.leaving_for = ASKED
            instance.turn(Phase.DRAINING, now)
        elif instance.phase in (*LOADING, Phase.READY, Phase.SLEEPING):
            self.queues.refuse_all(
                instance, Unavailable(f"{name} was unloaded", source="pool", retry_after=1)
            )
            self._stop(instance, "asked", now)

    # What processes report. A report of an earlier generation is void.

    def ready(self, name: str, generation: int, now: float, *, need: int = 0, sleeps: bool = False) -> None:
        instance = self.instances[name]
        if generation != instance.generation or instance.phase not in LOADING:
            return
        if instance.phase is Phase.STARTING:
            instance.load_s = now - instance.since
            instance.loads += 1
            instance.need = need or instance.need
            instance.sleeps = sleeps
        self.effects.note("ready", name, seconds=round(now - instance.since, 3), waiting=len(instance.queue))
        took = now - instance.since
        instance.turn(Phase.READY, now)
        instance.ready_at = instance.used_at = now
        instance.wished, instance.silences, instance.alone_since = False, 0, None
        instance.proven, instance.cause = False, None
        self.queues.restart_waits(instance, now, took)
        self.queues.pump(instance, now)
        self._plan(now)

    def load_failed(self, name: str, generation: int, cause: Capibara6Error, now: float) -> None:
        """The process of a load is gone; everyone who waited hears the cause."""
        instance = self.instances[name]
        if generation != instance.generation or instance.phase not in LOADING:
            return
        self._load_failed(instance, cause, now)
        instance.turn(Phase.FAILED, now)
        self._plan(now)

    def slept(self, name: str, generation: int, now: float, *, well: bool) -> None:
        """It fell asleep, or could not: then it is stopped."""
        instance = self.instances[name]
        if generation != instance.generation or instance.phase is not Phase.STOPPING or not instance.dozing:
            return
        instance.dozing = False
        if well:
            instance.turn(Phase.SLEEPING, now)
            self._plan(now)
            return
        instance.sleeps = False
        self.effects.stop(name, generation)

    def died(self, name: str, generation: int, cause: Capibara6Error, now: float) -> None:
        """A process that had been ready is gone or as good as gone. What is left of its group is ended."""
        instance = self.instances[name]
        if generation != instance.generation or instance.phase not in (
            Phase.READY, Phase.DRAINING, Phase.SLEEPING, Phase.WAKING, Phase.STOPPING,
        ):  # fmt: skip
            return
        if instance.phase is Phase.STOPPING and not instance.dozing:
            return
        self.effects.note("died", name, cause=cause.message, in_flight=len(instance.in_flight))
        if not instance.proven:
            # It loads but never answers: without counting that, it would be reloaded for ever.
            instance.fail(now, cause, backoff=False)
        instance.in_flight.clear()
        if instance.until > now:
            self.queues.refuse_all(instance, closed(instance, now))
        self._stop(instance, "died", now)

    def stopped(self, name: str, generation: int, now: float) -> None:
        """Death is confirmed and memory is back: the slot is free."""
        instance = self.instances[name]
        if generation != instance.generation or instance.phase is not Phase.STOPPING:
            return
        instance.outside = False
        instance.turn(Phase.FAILED if instance.until > now else Phase.COLD, now)
        instance.in_flight.clear()
        self._plan(now)

    def tick(self, now: float) -> None:
        """Let time pass: bounds of waiting and loading, idle models, loads that nobody waits for."""
        for instance in self.instances.values():
            self.queues.expire(instance, now)
            if instance.managed:
                self._age(instance, now)
        self._plan(now)

    # Inside.

    def _emptied(self, instance: Instance, now: float) -> None:
        """A place on `instance` became free."""
        if instance.phase is Phase.READY:
            self.queues.pump(instance, now)
        elif instance.phase is Phase.DRAINING and not instance.in_flight:
            instance.evictions += instance.leaving_for != ASKED
            self._leave_slot(instance, f"drained for {instance.leaving_for}", now)
        if self.queues.queued:
            self._plan(now)

    def _load_failed(self, instance: Instance, cause: Capibara6Error, now: float) -> None:
        instance.wished = False
        instance.fail(now, cause, backoff=True)
        self.effects.note("load_failed", instance.name, cause=cause.message, failures=len(instance.failures))
        if cause.retry_after is None:
            cause.retry_after = max(1, math.ceil(instance.until - now))
        self.queues.refuse_all(instance, cause)

    def _age(self, instance: Instance, now: float) -> None:
        unused = not instance.in_flight and not instance.wanted
        if instance.phase in LOADING:
            if now - instance.since >= self.limits.load_s:
                waited = UpstreamSilent(
                    f"{instance.name} did not load within {self.limits.load_s:g} s", source="pool"
                )
                self._load_failed(instance, waited, now)
                self._stop(instance, "load timeout", now)
            elif (
                instance.alone_since is not None
                and not instance.wanted
                and now - instance.alone_since >= ABANDON_S
            ):
                self._stop(instance, "nobody waits", now)
        elif instance.phase in (Phase.READY, Phase.SLEEPING) and unused and not instance.pinned:
            self._stop_idle(instance, now)

    def _stop_idle(self, instance: Instance, now: float) -> None:
        if now - max(instance.used_at, instance.since) >= instance.idle_s:
            self._stop(instance, "idle", now)

    def _leave_slot(self, instance: Instance, why: str, now: float) -> None:
        """Give the slot up: asleep where the engine can, else stopped."""
        if (
            not instance.sleeps
            or instance.phase not in (Phase.READY, Phase.DRAINING)
            or instance.leaving_for == ASKED
        ):
            self._stop(instance, why, now)
            return
        self.effects.note("sleeping", instance.name, why=why)
        instance.turn(Phase.STOPPING, now)
        instance.dozing, instance.leaving_for = True, None
        self.effects.sleep(instance.name, instance.generation)

    def _stop(self, instance: Instance, why: str, now: float) -> None:
        self.effects.note("stopping", instance.name, why=why)
        instance.outside = instance.phase is Phase.SLEEPING
        instance.turn(Phase.STOPPING, now)
        instance.dozing, instance.leaving_for, instance.alone_since = False, None, None
        self.effects.stop(instance.name, instance.generation)

    def _start(self, instance: Instance, now: float) -> None:
        instance.alone_since = None
        if instance.phase is Phase.SLEEPING:
            self.effects.note("waking", instance.name, waiting=len(instance.queue))
            instance.turn(Phase.WAKING, now)
            self.effects.wake(instance.name, instance.generation)
            return
        instance.generation += 1
        self.effects.note("starting", instance.name, waiting=len(instance.queue))
        instance.turn(Phase.STARTING, now)
        self.effects.start(instance.name, instance.generation)

    def _plan(self, now: float) -> None:
        if not any(instance.managed and instance.unsettled for instance in self.instances.values()):
            return
        for move in plan(self.instances, self.rules, now, self.effects.free()):
            instance = self.instances[move.name]
            match move:
                case Start():
                    self._start(instance, now)
                case Evict(why=why):
                    instance.evictions += 1
                    self._leave_slot(instance, why, now)
                case Close(beneficiary=beneficiary):
                    self.effects.note("closing", instance.name, why=f"{beneficiary} starves")
                    instance.turn(Phase.DRAINING, now)
                    instance.leaving_for = beneficiary
                case Reopen():
                    self.effects.note("reopened", instance.name)
                    instance.turn(Phase.READY, now)
                    instance.leaving_for = None
                    self.queues.pump(instance, now)
                case TooBig():
                    self.queues.refuse_all(instance, too_big(instance))
                    instance.wished = False
                case _:
                    assert_never(move)
