"""From a checked request to an answer on the wire: which model, a place on it, the engine, the relay.

Another model takes over only before the first byte of an answer, and only where the catalogue declares it.
"""

import asyncio
import time
from collections.abc import Iterator

from servers.pool.catalog.catalog import Spec
from servers.pool.http.app import Exchange
from servers.pool.http.request import Order
from servers.pool.http.routing import send_where_wanted
from servers.pool.http.stream import relay
from servers.pool.pool import Pool
from servers.pool.scheduling.instance import LOADING, Ticket
from tools.errors import BadRequest, Capibara6Error, EngineGone, Unavailable, UpstreamFailed, UpstreamSilent

HANDED_OVER = (Unavailable, UpstreamFailed, UpstreamSilent)
PATIENT_S = 30.0
"""A streaming client that waits longer for a place is kept alive with comments, as it is while loading."""


async def answer(pool: Pool, exchange: Exchange, order: Order) -> None:
    """Serve `order` from its model, from another engine of it, or from a declared fallback."""
    pool.budget.earn()
    if order.model == "auto" and pool.catalog.auto:
        send_where_wanted(pool, exchange, order)
    failure: Capibara6Error | None = None
    for spec, lane in _candidates(pool, order):
        if isinstance(lane, Capibara6Error):
            failure = failure or lane
            continue
        try:
            await _serve(pool, exchange, order, spec, lane)
            return
        except HANDED_OVER as exc:
            pool.meter.of(spec.id).failures += 1
            if exchange.answered or exc.code in ("queue_timeout", "draining"):
                raise
            failure = failure or exc
            order.why.append(f"{lane} failed: {exc.code}")
    assert failure is not None, "there is at least one candidate"
    raise failure


def _candidates(pool: Pool, order: Order) -> Iterator[tuple[Spec, str | Capibara6Error]]:
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
            lanes = pool.lanes(spec)
        except Unavailable as exc:
            order.why.append(f"{name} is not available")
            yield spec, exc
            continue
        for lane in lanes:
            yield spec, lane


async def _serve(pool: Pool, exchange: Exchange, order: Order, spec: Spec, lane: str) -> None:
    for again in (True, False):
        ticket = order.ticket = await _admit(pool, exchange, order, lane)
        try:
            await relay(pool, exchange, order, spec, ticket)
            return
        except EngineGone:
            # Our own engine accepts no connection: it has just died, and the next place comes with a new one.
            if not again:
                raise
        finally:
            pool.scheduler.leave(ticket, time.monotonic())
        await asyncio.sleep(0.05)


async def _admit(pool: Pool, exchange: Exchange, order: Order, lane: str) -> Ticket:
    """A granted place on `lane`. Raises what the scheduler refuses it with."""
    ticket = pool.scheduler.request(lane, time.monotonic())
    if not ticket.granted:
        try:
            await _wait(pool, exchange, order, ticket)
        except BaseException:
            pool.scheduler.leave(ticket, time.monotonic())
            raise
    if ticket.refused is not None:
        raise ticket.refused
    return ticket


async def _wait(pool: Pool, exchange: Exchange, order: Order, ticket: Ticket) -> None:
    pause = pool.settings.pool.keepalive_s if order.stream and order.sink.keepalive else None
    while not await pool.wait(ticket, pause=pause):
        lane = pool.scheduler.lanes[ticket.lane]
        if lane.phase in LOADING or time.monotonic() - exchange.arrived >= PATIENT_S:
            await exchange.stream(order.sink, order.headers(ticket.lane))
            await exchange.write(order.sink.keepalive)
