"""Admission: how a request gets a reservation from the scheduler, waits for it, and gives it back.

The only part of scheduling that awaits and reads the clock; it decides nothing.
"""

import asyncio
import time

from servers.pool.scheduling.instance import LOADING, Phase, Reservation
from servers.pool.scheduling.scheduler import Scheduler


class Admission:
    """One scheduler as its callers see it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.answered = scheduler.answered
        """The engine answered this request; on the path of every one, so bound here."""

    def request(self, instance: str) -> Reservation:
        """A claim on an instance: granted, refused or waiting. Whoever gets it must `release` it."""
        return self.scheduler.request(instance, time.monotonic())

    async def wait(self, reservation: Reservation, *, timeout_s: float | None = None) -> bool:
        """Wait until it is granted or refused, or for `timeout_s`; whether it is. Cancelled: released."""
        if reservation.granted or reservation.refused is not None:
            return True
        if reservation.waiter is None:
            reservation.waiter = asyncio.get_running_loop().create_future()
        try:
            done, _ = await asyncio.wait({reservation.waiter}, timeout=timeout_s)
        except asyncio.CancelledError:
            self.release(reservation)
            raise
        return bool(done)

    def release(self, reservation: Reservation) -> None:
        """The request is over, or its client went. Safe to call more than once."""
        self.scheduler.release(reservation, time.monotonic())

    def fell_silent(self, reservation: Reservation) -> None:
        """The engine let this request wait in vain."""
        self.scheduler.fell_silent(reservation, time.monotonic())

    def is_loading(self, reservation: Reservation) -> bool:
        """Whether what it waits for is being loaded."""
        return self.scheduler.instances[reservation.instance].phase in LOADING

    def is_ready(self, instance: str) -> bool:
        """Whether it answers without being loaded first."""
        return self.scheduler.instances[instance].phase is Phase.READY

    def has_place(self, instance: str) -> bool:
        """Whether a request would be asked at once, were it loaded."""
        own = self.scheduler.instances[instance]
        return not own.queue and len(own.in_flight) < own.concurrency

    async def load(self, instance: str) -> None:
        """Load an instance and return when it is ready. Raises what its waiters would hear."""
        self.scheduler.load(instance, time.monotonic())
        reservation = self.request(instance)
        try:
            await self.wait(reservation)
            if reservation.refused is not None:
                raise reservation.refused
        finally:
            self.release(reservation)

    def unload(self, instance: str) -> None:
        """Stop an instance once what runs on it has ended; returns at once."""
        self.scheduler.unload(instance, time.monotonic())


def notify(reservation: Reservation) -> None:
    """Wake whoever waits for the reservation: `Effects.notify`."""
    if reservation.waiter is not None and not reservation.waiter.done():
        reservation.waiter.set_result(None)
