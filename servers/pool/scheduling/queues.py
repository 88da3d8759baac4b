"""The queues: who waits at which instance, who is granted a place, who is refused and why."""

import math
from collections.abc import Callable

from servers.pool.scheduling.instance import LOADING, Instance, Phase, Ticket
from tools.errors import Capibara6Error, ModelUnavailable, QueueFull, Unavailable
from tools.settings import Pool as Limits


class Queues:
    """Bounded queues of all instances. `settle` is called for each ticket whose wait is over."""

    def __init__(self, limits: Limits, settle: Callable[[Ticket], None]) -> None:
        self.limits = limits
        self.settle = settle
        self.queued = 0

    def objection(self, instance: Instance, now: float) -> Capibara6Error | None:
        """Why a request may not wait here; None when it may."""
        resting = instance.phase in (Phase.FAILED, Phase.COLD, Phase.STOPPING)
        if instance.until > now and resting and not instance.wished:
            return closed(instance, now)
        if len(instance.queue) >= self.limits.queue_per_model or self.queued >= self.limits.queue_total:
            return QueueFull(
                f"the queue for {instance.name} is full", source="pool", retry_after=patience(instance)
            )
        return None

    def add(self, instance: Instance, ticket: Ticket) -> None:
        instance.queue.append(ticket)
        instance.alone_since = None
        self.queued += 1

    def remove(self, instance: Instance, ticket: Ticket) -> None:
        instance.queue.remove(ticket)
        self.queued -= 1

    def grant(self, instance: Instance, ticket: Ticket, now: float) -> None:
        """From this moment the instance counts as busy."""
        ticket.granted = True
        ticket.generation = instance.generation
        ticket.waited_s += now - ticket.since
        instance.in_flight.add(ticket)

    def pump(self, instance: Instance, now: float) -> None:
        """Grant free places to those who wait, in order."""
        while (
            instance.phase is Phase.READY
            and instance.queue
            and len(instance.in_flight) < instance.concurrency
        ):
            ticket = instance.queue.popleft()
            self.queued -= 1
            self.grant(instance, ticket, now)
            self.settle(ticket)

    def refuse_all(self, instance: Instance, exc: Capibara6Error) -> None:
        for ticket in list(instance.queue):
            self._refuse(instance, ticket, exc)

    def restart_waits(self, instance: Instance, now: float, loaded_s: float) -> None:
        """The wait for a place begins when there are places."""
        for ticket in instance.queue:
            ticket.load_s = loaded_s
            ticket.waited_s, ticket.since = now - ticket.since, now

    def expire(self, instance: Instance, now: float) -> None:
        """Refuse those who waited longer than the bound. While a model loads, the load's own bound counts."""
        if instance.phase in LOADING:
            return
        bound = self.limits.queue_wait_s
        for ticket in list(instance.queue):
            if now - ticket.since < bound:
                break
            late = f"{instance.name} had no free place within {bound:g} s"
            exc = Unavailable(late, source="pool", retry_after=patience(instance), code="queue_timeout")
            self._refuse(instance, ticket, exc)

    def _refuse(self, instance: Instance, ticket: Ticket, exc: Capibara6Error) -> None:
        self.remove(instance, ticket)
        ticket.refused = exc
        self.settle(ticket)


def closed(instance: Instance, now: float) -> ModelUnavailable:
    """The refusal of a model that failed and is not tried again yet."""
    why = instance.cause.message if instance.cause else "it failed"
    wait = max(1, math.ceil(instance.until - now))
    return ModelUnavailable(
        f"{instance.name} can not be loaded: {why}", param="model", source="pool", retry_after=wait
    )


def too_big(instance: Instance) -> ModelUnavailable:
    needs = f"{instance.name} needs {instance.need / 2**30:.1f} GiB and this machine has less"
    return ModelUnavailable(needs, param="model", source="pool", retry_after=60)


def patience(instance: Instance) -> int:
    """Seconds after which to ask again: about one load of this model."""
    return max(1, math.ceil(instance.load_s))
