"""The queues: bounds, order, waiting times; who is granted, who is refused and with which error.

It neither starts nor stops anything: that is `scheduler.py`.
"""

import math
from collections.abc import Callable

from servers.pool.scheduling.instance import LOADING, Instance, Phase, Reservation
from tools.errors import Capibara6Error, ModelUnavailable, QueueFull, Unavailable
from tools.settings import Pool as Limits


class Queues:
    """Bounded queues of all instances. `notify` is called for each reservation whose wait is over."""

    def __init__(self, limits: Limits, notify: Callable[[Reservation], None]) -> None:
        self.limits = limits
        self.notify = notify
        self.queued = 0
        """Reservations that wait, in all."""

    def refusal(self, instance: Instance, now: float) -> Capibara6Error | None:
        """Why a request may not wait here; None when it may."""
        down = instance.phase in (Phase.FAILED, Phase.COLD, Phase.STOPPING)
        if instance.retry_at > now and down and not instance.load_requested:
            return circuit_open(instance, now)
        if len(instance.queue) >= self.limits.queue_per_model or self.queued >= self.limits.queue_total:
            return QueueFull(
                f"the queue for {instance.name} is full", source="pool", retry_after=_retry_after(instance)
            )
        return None

    def add(self, instance: Instance, reservation: Reservation) -> None:
        """Queue it; `refusal` was None."""
        instance.queue.append(reservation)
        instance.unwanted_since = None
        self.queued += 1

    def remove(self, instance: Instance, reservation: Reservation) -> None:
        """Take one that waits out of the queue."""
        instance.queue.remove(reservation)
        self.queued -= 1

    def grant(self, instance: Instance, reservation: Reservation, now: float) -> None:
        """From this moment the instance counts as busy."""
        reservation.granted = True
        reservation.generation = instance.generation
        reservation.waited_s += now - reservation.queued_at
        instance.in_flight.add(reservation)

    def grant_free(self, instance: Instance, now: float) -> None:
        """Grant what is free of the instance's concurrency to those who wait, in order."""
        while (
            instance.phase is Phase.READY
            and instance.queue
            and len(instance.in_flight) < instance.concurrency
        ):
            reservation = instance.queue.popleft()
            self.queued -= 1
            self.grant(instance, reservation, now)
            self.notify(reservation)

    def refuse_all(self, instance: Instance, error: Capibara6Error) -> None:
        """Refuse everybody who waits for the instance."""
        for reservation in list(instance.queue):
            self._refuse(instance, reservation, error)

    def restart_waits(self, instance: Instance, now: float, loaded_s: float) -> None:
        """A load has ended: the bound of waiting counts from here. `loaded_s`: seconds that it took."""
        for reservation in instance.queue:
            reservation.load_s = loaded_s
            reservation.waited_s, reservation.queued_at = now - reservation.queued_at, now

    def expire(self, instance: Instance, now: float) -> None:
        """Refuse those who waited longer than the bound. While a model loads, the load's own bound counts."""
        if instance.phase in LOADING:
            return
        bound = self.limits.queue_wait_s
        for reservation in list(instance.queue):
            if now - reservation.queued_at < bound:
                break
            late = f"{instance.name} had no free place within {bound:g} s"
            error = Unavailable(late, source="pool", retry_after=_retry_after(instance), code="queue_timeout")
            self._refuse(instance, reservation, error)

    def _refuse(self, instance: Instance, reservation: Reservation, error: Capibara6Error) -> None:
        self.remove(instance, reservation)
        reservation.refused = error
        self.notify(reservation)


def circuit_open(instance: Instance, now: float) -> ModelUnavailable:
    """The refusal of a model that failed and is not tried again yet."""
    why = instance.last_error.message if instance.last_error else "it failed"
    wait = max(1, math.ceil(instance.retry_at - now))
    return ModelUnavailable(
        f"{instance.name} can not be loaded: {why}", param="model", source="pool", retry_after=wait
    )


def does_not_fit(instance: Instance) -> ModelUnavailable:
    """The refusal of a model that is larger than this machine's memory."""
    needs = f"{instance.name} needs {instance.memory_bytes / 2**30:.1f} GiB and this machine has less"
    return ModelUnavailable(needs, param="model", source="pool", retry_after=60)


def _retry_after(instance: Instance) -> int:
    """Seconds after which to ask again: about one load of this model."""
    return max(1, math.ceil(instance.load_s))
