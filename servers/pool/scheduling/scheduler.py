"""The scheduler: a state machine, events in, effects out. It owns every instance and every reservation.

It never awaits, so that each event is whole: nobody can look and then act on something that changed between.
Time is an argument. It decides nothing about who is loaded or evicted (`placement.py`), counts no queue
(`queues.py`) and starts no process (`Effects`, in `transitions.py`).

What happens to a request, step by step:

1. The model is ready, nobody queues and its concurrency is not used up: granted. It is busy from now on.
2. The model failed and may not be tried again yet: refused, 503 with the cause and `Retry-After`.
3. Its queue or all queues together are full: refused, 429.
4. Else it queues, and `placement.plan` looks at all models that want a slot, the longest waiter first:
   a. A slot is free and the memory suffices: start it, or wake it.
   b. A slot is becoming free already (something stops, or drains for a waiter): wait for that.
   c. Its last load failed lately: nothing is evicted for it.
   d. Something may go: a load that nobody waits for, or an idle model (no request, no waiter, not pinned,
      loaded for as long as its load took, at most 10 s). EVICT the cheapest: load time x demand ÷ memory.
   e. No slot is held, only memory lacks: EVICT a sleeping model. Without any it never fits: refused, 503.
   f. It has waited a third of `queue_wait_s`, it starves: DRAIN the cheapest busy model that is not pinned.
      What runs there ends first. Nobody who came later is served before one that starves.
   A drain that nobody needs any more is ended (resume).
5. The load ends: waiters are granted in their order. It fails: all waiters are refused with the cause; retry
   after 1 s, then 4 s, and the third failure within 300 s closes the model for 300 s.
6. It waited `queue_wait_s` without the load's own time: refused, 503 `queue_timeout`. A load that takes
   longer than `load_s` is stopped, its waiters hear 504; one that nobody waits for is stopped after 5 s.
7. It is released: the next waiter is granted. A model without a request for `idle_s` is stopped.
"""

import math
from collections.abc import Iterable
from typing import assert_never

from servers.pool.scheduling.instance import LOADING, Instance, Phase, Reservation
from servers.pool.scheduling.placement import (
    ABANDON_S,
    Decision,
    DoesNotFit,
    Drain,
    Evict,
    Policy,
    Resume,
    Start,
    plan,
)
from servers.pool.scheduling.queues import Queues, circuit_open, does_not_fit
from servers.pool.scheduling.transitions import UNLOAD, Effects, Transitions
from tools.errors import Capibara6Error, Unavailable, UpstreamSilent
from tools.settings import Pool as Limits

SILENCES = 2
"""So many answers in a row without a first token, and the engine is taken for dead."""


class Scheduler:
    """Requests, people and processes report events; `effects` carries out what follows from them."""

    def __init__(self, instances: Iterable[Instance], limits: Limits, effects: Effects) -> None:
        self.instances = {instance.name: instance for instance in instances}
        self.limits = limits
        self.effects = effects
        self.policy = Policy(slots=limits.max_loaded, starve_s=limits.queue_wait_s / 3)
        self.queues = Queues(limits, effects.notify)
        self.transitions = Transitions(effects)
        for instance in self.instances.values():
            if not instance.managed:
                instance.phase = Phase.READY

    # What requests do.

    def request(self, name: str, now: float) -> Reservation:
        """A claim on the instance `name`: granted, refused, or waiting until `Effects.notify` tells."""
        instance = self.instances[name]
        instance.count_request(now)
        reservation = Reservation(name, now)
        if (
            instance.phase is Phase.READY
            and not instance.queue
            and len(instance.in_flight) < instance.concurrency
        ):
            self.queues.grant(instance, reservation, now)
            return reservation
        reservation.refused = self.queues.refusal(instance, now)
        if reservation.refused is None:
            self.queues.add(instance, reservation)
            self._plan(now)
        return reservation

    def release(self, reservation: Reservation, now: float) -> None:
        """The request is over, or its client went. Safe to call more than once."""
        if reservation.released:
            return
        reservation.released = True
        instance = self.instances[reservation.instance]
        if reservation in instance.in_flight:
            instance.in_flight.discard(reservation)
            instance.last_used_at = now
            if instance.queue or instance.phase is not Phase.READY:
                self._place_freed(instance, now)
            elif not instance.in_flight and self.queues.queued:
                self._plan(now)
        elif not reservation.granted and reservation.refused is None:
            self.queues.remove(instance, reservation)
            if instance.phase in LOADING and not instance.wanted:
                instance.unwanted_since = now
            self._plan(now)

    def answered(self, reservation: Reservation) -> None:
        """The engine answered this request: it is alive."""
        instance = self.instances[reservation.instance]
        instance.silences, instance.has_answered = 0, True

    def fell_silent(self, reservation: Reservation, now: float) -> None:
        """The engine let this request wait in vain; twice in a row and it is restarted."""
        instance = self.instances[reservation.instance]
        if not instance.managed or reservation.generation != instance.generation:
            return
        instance.silences += 1
        if instance.silences >= SILENCES and instance.phase in (Phase.READY, Phase.DRAINING):
            silent = UpstreamSilent("the engine fell silent", source="engine")
            self.died(instance.name, instance.generation, silent, now)

    # What people ask.

    def load(self, name: str, now: float) -> None:
        """Load without a request. It also closes the circuit: somebody means to have repaired the model."""
        instance = self.instances[name]
        if instance.managed and instance.phase is not Phase.READY:
            instance.load_requested = True
            instance.failed_at.clear()
            instance.retry_at = 0.0
            self._plan(now)

    def unload(self, name: str, now: float) -> None:
        """Stop a model once what runs on it has ended. Waiters of a load that is cut short are refused."""
        instance = self.instances[name]
        instance.load_requested = False
        if not instance.managed:
            return
        if instance.phase is Phase.READY and instance.in_flight:
            instance.draining_for = UNLOAD
            instance.enter(Phase.DRAINING, now)
        elif instance.phase in (*LOADING, Phase.READY, Phase.SLEEPING):
            unloaded = Unavailable(f"{name} was unloaded", source="pool", retry_after=1)
            self.queues.refuse_all(instance, unloaded)
            self.transitions.stop(instance, "asked", now)

    # What processes report. A report of an earlier generation is void.

    def ready(
        self, name: str, generation: int, now: float, *, memory_bytes: int = 0, can_sleep: bool = False
    ) -> None:
        """It has started or woken up. `memory_bytes` is what it was measured to take, 0 when unknown."""
        instance = self.instances[name]
        if generation != instance.generation or instance.phase not in LOADING:
            return
        took = now - instance.phase_since
        if instance.phase is Phase.STARTING:
            instance.load_s = took
            instance.loads += 1
            instance.memory_bytes = memory_bytes or instance.memory_bytes
            instance.can_sleep = can_sleep
        self.effects.record("ready", name, seconds=round(took, 3), waiting=len(instance.queue))
        instance.enter(Phase.READY, now)
        instance.ready_at = instance.last_used_at = now
        instance.load_requested, instance.silences, instance.unwanted_since = False, 0, None
        instance.has_answered, instance.last_error = False, None
        self.queues.restart_waits(instance, now, took)
        self.queues.grant_free(instance, now)
        self._plan(now)

    def load_failed(self, name: str, generation: int, cause: Capibara6Error, now: float) -> None:
        """The process of a load is gone; everyone who waited hears the cause."""
        instance = self.instances[name]
        if generation != instance.generation or instance.phase not in LOADING:
            return
        self._fail_load(instance, cause, now)
        instance.enter(Phase.FAILED, now)
        self._plan(now)

    def slept(self, name: str, generation: int, now: float, *, asleep: bool) -> None:
        """It fell asleep, or could not: then it is stopped."""
        instance = self.instances[name]
        if (
            generation != instance.generation
            or instance.phase is not Phase.STOPPING
            or not instance.falling_asleep
        ):
            return
        instance.falling_asleep = False
        if asleep:
            instance.enter(Phase.SLEEPING, now)
            self._plan(now)
            return
        instance.can_sleep = False
        self.effects.stop(name, generation)

    def died(self, name: str, generation: int, cause: Capibara6Error, now: float) -> None:
        """A process that had been ready is gone or as good as gone. What is left of its group is ended."""
        instance = self.instances[name]
        if generation != instance.generation or instance.phase not in (
            Phase.READY, Phase.DRAINING, Phase.SLEEPING, Phase.WAKING, Phase.STOPPING,
        ):  # fmt: skip
            return
        if instance.phase is Phase.STOPPING and not instance.falling_asleep:
            return
        self.effects.record("died", name, cause=cause.message, in_flight=len(instance.in_flight))
        if not instance.has_answered:
            # It loads but never answers: without counting that, it would be reloaded for ever.
            instance.count_failure(now, cause, backoff=False)
        instance.in_flight.clear()
        if instance.retry_at > now:
            self.queues.refuse_all(instance, circuit_open(instance, now))
        self.transitions.stop(instance, "died", now)

    def stopped(self, name: str, generation: int, now: float) -> None:
        """Death is confirmed and memory is back: the slot is free."""
        instance = self.instances[name]
        if generation != instance.generation or instance.phase is not Phase.STOPPING:
            return
        instance.stopping_from_sleep = False
        instance.enter(Phase.FAILED if instance.retry_at > now else Phase.COLD, now)
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

    def _place_freed(self, instance: Instance, now: float) -> None:
        if instance.phase is Phase.READY:
            self.queues.grant_free(instance, now)
        elif instance.phase is Phase.DRAINING and not instance.in_flight:
            instance.evictions += instance.draining_for != UNLOAD
            self.transitions.release_slot(instance, f"drained for {instance.draining_for}", now)
        if self.queues.queued:
            self._plan(now)

    def _fail_load(self, instance: Instance, cause: Capibara6Error, now: float) -> None:
        instance.load_requested = False
        instance.count_failure(now, cause, backoff=True)
        self.effects.record(
            "load_failed", instance.name, cause=cause.message, failures=len(instance.failed_at)
        )
        if cause.retry_after is None:
            cause.retry_after = max(1, math.ceil(instance.retry_at - now))
        self.queues.refuse_all(instance, cause)

    def _age(self, instance: Instance, now: float) -> None:
        if instance.phase in LOADING:
            self._age_load(instance, now)
        elif (
            instance.phase in (Phase.READY, Phase.SLEEPING)
            and not (instance.in_flight or instance.wanted or instance.pinned)
            and now - max(instance.last_used_at, instance.phase_since) >= instance.idle_s
        ):
            self.transitions.stop(instance, "idle", now)

    def _age_load(self, instance: Instance, now: float) -> None:
        if now - instance.phase_since >= self.limits.load_s:
            late = f"{instance.name} did not load within {self.limits.load_s:g} s"
            self._fail_load(instance, UpstreamSilent(late, source="pool"), now)
            self.transitions.stop(instance, "load timeout", now)
        elif (
            instance.unwanted_since is not None
            and not instance.wanted
            and now - instance.unwanted_since >= ABANDON_S
        ):
            self.transitions.stop(instance, "nobody waits", now)

    def _plan(self, now: float) -> None:
        if any(instance.managed and instance.needs_plan for instance in self.instances.values()):
            for decision in plan(self.instances, self.policy, now, self.effects.free_memory()):
                self._carry_out(decision, now)

    def _carry_out(self, decision: Decision, now: float) -> None:
        instance = self.instances[decision.name]
        match decision:
            case Start():
                self.transitions.start(instance, now)
            case Evict(why=why):
                instance.evictions += 1
                self.transitions.release_slot(instance, why, now)
            case Drain(beneficiary=beneficiary):
                self.transitions.drain(instance, beneficiary, now)
            case Resume():
                self.transitions.resume(instance, now)
                self.queues.grant_free(instance, now)
            case DoesNotFit():
                self.queues.refuse_all(instance, does_not_fit(instance))
                instance.load_requested = False
            case _:
                assert_never(decision)
