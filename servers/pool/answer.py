"""From a checked request to an answer on the wire: route, fall back before the first byte, relay."""

import time
from dataclasses import dataclass, field
from typing import Any

from servers.pool import compose
from servers.pool.door import JSON, Exchange
from servers.pool.pool import Pool
from servers.pool.reply import Reply
from servers.pool.route import choose
from servers.pool.sse import Reader
from tools.errors import Capibara6Error, Unavailable, UpstreamFailed, UpstreamSilent

STREAM = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
RETRIED = (Unavailable, UpstreamFailed, UpstreamSilent)


@dataclass(slots=True)
class Order:
    """One request on its way: `model` is what was asked for, `why` how the serving model was found."""

    path: str
    request: dict[str, Any]
    body: bytes
    model: str
    why: list[str] = field(default_factory=list)


async def answer(pool: Pool, exchange: Exchange, order: Order) -> None:
    """Serve `order` from its model or a declared fallback."""
    if order.model == "auto":
        route = choose(order.request.get("messages") or [], pool.catalog, pool.state())
        order.model, order.why = route.model, [f"wanted {route.wanted}", *route.reasons]
    spec = pool.catalog.spec(order.model)
    failures: list[Capibara6Error] = []
    for name in (spec.id, *spec.fallbacks):
        try:
            await _serve(pool, exchange, order, name)
            return
        except RETRIED as exc:
            if exchange.status:
                raise
            failures.append(exc)
            order.why.append(f"{name}: {exc.code}")
    raise failures[0]


async def _serve(pool: Pool, exchange: Exchange, order: Order, name: str) -> None:
    started = time.monotonic()
    reply = await pool.ask(pool.catalog.spec(name), order.path, order.request, order.body)
    try:
        if reply.status >= 500:
            raise UpstreamFailed(f"the engine of {name} answered HTTP {reply.status}", source="engine")
        headers = [
            (b"x-capibara6-model", name.encode()),
            (b"x-capibara6-route", "; ".join(order.why).encode("latin-1", "replace") or b"asked for"),
            (b"x-capibara6-queue-ms", b"%d" % ((started - exchange.arrived) * 1000)),
            (b"x-capibara6-load-ms", b"0"),
        ]
        if reply.events is None:
            await exchange.whole(reply.status, reply.body or b"", [JSON, *headers])
            return
        await _relay(exchange, reply, headers)
    finally:
        reply.close()


async def _relay(exchange: Exchange, reply: Reply, headers: list[tuple[bytes, bytes]]) -> None:
    reader = Reader()
    assert reply.events is not None
    try:
        async for part in reply.events:
            chunk = reader.feed(part)
            if chunk:
                if not exchange.status:
                    await exchange.start(200, [*STREAM, *headers])
                await exchange.write(chunk)
        reader.close()
    except Capibara6Error as exc:
        if not exchange.status:
            raise
        await exchange.end(compose.line(exc.envelope()))
        return
    await exchange.end()
