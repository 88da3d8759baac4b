"""From a checked request to an answer on the wire: which model, a place on it, the engine, the relay.

Another model takes over only before the first byte of an answer, and only where the catalogue declares it.
"""

import asyncio
import time
from collections.abc import Iterator

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.http.app import Exchange
from servers.pool.http.request import PoolRequest
from servers.pool.http.routing import send_where_wanted
from servers.pool.http.stream import relay
from servers.pool.pool import Pool
from servers.pool.scheduling.instance import LOADING, Reservation
from tools.errors import BadRequest, Capibara6Error, EngineGone, Unavailable, UpstreamFailed, UpstreamSilent

HANDED_OVER = (Unavailable, UpstreamFailed, UpstreamSilent)
PATIENT_S = 30.0
"""A streaming client that waits longer for a place is kept alive with comments, as it is while loading."""


async def answer(pool: Pool, exchange: Exchange, order: PoolRequest) -> None:
    """Serve `order` from its model, from another engine of it, or from a declared fallback."""
    pool.budget.earn()
    if order.model == "auto" and pool.catalog.auto:
        send_where_wanted(pool, exchange, order)
    failure: Capibara6Error | None = None
    for spec, instance in _candidates(pool, order):
        if isinstance(instance, Capibara6Error):
            failure = failure or instance
            continue
        try:
            await _serve(pool, exchange, order, spec, instance)
            return
        except HANDED_OVER as exc:
            pool.meter.of(spec.id).failures += 1
            if exchange.answered or exc.code in ("queue_timeout", "draining"):
                raise
            failure = failure or exc
            order.why.append(f"{instance} failed: {exc.code}")
    assert failure is not None, "there is at least one candidate"
    raise failure


def _candidates(pool: Pool, order: PoolRequest) -> Iterator[tuple[ModelSpec, str | Capibara6Error]]:
    """Places that may serve `order`, best first, and the reasons of models that can not."""
    first = pool.catalog.spec(order.model)
    for name in (first.id, *first.fallbacks):
        spec = pool.catalog.spec(name)
        if (order.path == "/v1/embeddings") != (spec.kind == "embedding"):
            does = "embed" if spec.kind == "chat" else "generate text"
            yield (
                spec,
                BadRequest(f"{name} does not {does}", param="model", source="pool", code="wrong_model"),
            )
            continue
        if name != first.id:
            pool.meter.fallbacks += 1
        try:
            instances = pool.instances(spec)
        except Unavailable as exc:
            order.why.append(f"{name} is not available")
            yield spec, exc
            continue
        for instance in instances:
            yield spec, instance


async def _serve(pool: Pool, exchange: Exchange, order: PoolRequest, spec: ModelSpec, instance: str) -> None:
    for again in (True, False):
        reservation = order.reservation = await _admit(pool, exchange, order, instance)
        try:
            await relay(pool, exchange, order, spec, reservation)
            return
        except EngineGone:
            # Our own engine accepts no connection: it has just died, and the next place comes with a new one.
            if not again:
                raise
        finally:
            pool.scheduler.release(reservation, time.monotonic())
        await asyncio.sleep(0.05)


async def _admit(pool: Pool, exchange: Exchange, order: PoolRequest, instance: str) -> Reservation:
    """A granted place on `instance`. Raises what the scheduler refuses it with."""
    reservation = pool.scheduler.request(instance, time.monotonic())
    if not reservation.granted:
        try:
            await _wait(pool, exchange, order, reservation)
        except BaseException:
            pool.scheduler.release(reservation, time.monotonic())
            raise
    if reservation.refused is not None:
        raise reservation.refused
    return reservation


async def _wait(pool: Pool, exchange: Exchange, order: PoolRequest, reservation: Reservation) -> None:
    pause = pool.settings.pool.keepalive_s if order.stream and order.writer.keepalive else None
    while not await pool.wait(reservation, pause=pause):
        instance = pool.scheduler.instances[reservation.instance]
        if instance.phase in LOADING or time.monotonic() - exchange.arrived >= PATIENT_S:
            await exchange.stream(order.writer, order.headers(reservation.instance))
            await exchange.write(order.writer.keepalive)
