"""The queues: who waits at which lane, who is granted a place, who is refused and why."""

import math
from collections.abc import Callable

from servers.pool.scheduling.instance import LOADING, Lane, Phase, Ticket
from tools.errors import Capibara6Error, ModelUnavailable, QueueFull, Unavailable
from tools.settings import Pool as Limits


class Desk:
    """Bounded queues of all lanes. `settle` is called for each ticket whose wait is over."""

    def __init__(self, limits: Limits, settle: Callable[[Ticket], None]) -> None:
        self.limits = limits
        self.settle = settle
        self.queued = 0

    def objection(self, lane: Lane, now: float) -> Capibara6Error | None:
        """Why a request may not wait here; None when it may."""
        resting = lane.phase in (Phase.FAILED, Phase.COLD, Phase.STOPPING)
        if lane.until > now and resting and not lane.wished:
            return closed(lane, now)
        if len(lane.queue) >= self.limits.queue_per_model or self.queued >= self.limits.queue_total:
            return QueueFull(f"the queue for {lane.name} is full", source="pool", retry_after=patience(lane))
        return None

    def add(self, lane: Lane, ticket: Ticket) -> None:
        lane.queue.append(ticket)
        lane.alone_since = None
        self.queued += 1

    def remove(self, lane: Lane, ticket: Ticket) -> None:
        lane.queue.remove(ticket)
        self.queued -= 1

    def grant(self, lane: Lane, ticket: Ticket, now: float) -> None:
        """From this moment the lane counts as busy."""
        ticket.granted = True
        ticket.generation = lane.generation
        ticket.waited_s += now - ticket.since
        lane.in_flight.add(ticket)

    def pump(self, lane: Lane, now: float) -> None:
        """Grant free places to those who wait, in order."""
        while lane.phase is Phase.READY and lane.queue and len(lane.in_flight) < lane.concurrency:
            ticket = lane.queue.popleft()
            self.queued -= 1
            self.grant(lane, ticket, now)
            self.settle(ticket)

    def refuse_all(self, lane: Lane, exc: Capibara6Error) -> None:
        for ticket in list(lane.queue):
            self._refuse(lane, ticket, exc)

    def restart_waits(self, lane: Lane, now: float, loaded_s: float) -> None:
        """The wait for a place begins when there are places."""
        for ticket in lane.queue:
            ticket.load_s = loaded_s
            ticket.waited_s, ticket.since = now - ticket.since, now

    def expire(self, lane: Lane, now: float) -> None:
        """Refuse those who waited longer than the bound. While a model loads, the load's own bound counts."""
        if lane.phase in LOADING:
            return
        bound = self.limits.queue_wait_s
        for ticket in list(lane.queue):
            if now - ticket.since < bound:
                break
            late = f"{lane.name} had no free place within {bound:g} s"
            exc = Unavailable(late, source="pool", retry_after=patience(lane), code="queue_timeout")
            self._refuse(lane, ticket, exc)

    def _refuse(self, lane: Lane, ticket: Ticket, exc: Capibara6Error) -> None:
        self.remove(lane, ticket)
        ticket.refused = exc
        self.settle(ticket)


def closed(lane: Lane, now: float) -> ModelUnavailable:
    """The refusal of a model that failed and is not tried again yet."""
    why = lane.cause.message if lane.cause else "it failed"
    wait = max(1, math.ceil(lane.until - now))
    return ModelUnavailable(
        f"{lane.name} can not be loaded: {why}", param="model", source="pool", retry_after=wait
    )


def too_big(lane: Lane) -> ModelUnavailable:
    needs = f"{lane.name} needs {lane.need / 2**30:.1f} GiB and this machine has less"
    return ModelUnavailable(needs, param="model", source="pool", retry_after=60)


def patience(lane: Lane) -> int:
    """Seconds after which to ask again: about one load of this model."""
    return max(1, math.ceil(lane.load_s))
