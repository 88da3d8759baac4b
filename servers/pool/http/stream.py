"""Carries an engine's answer to the client, byte for byte, and watches that it moves and ends well."""

import time
from typing import Any

import orjson

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.dispatch import ask
from servers.pool.http.app import JSON, Exchange
from servers.pool.http.request import PoolRequest
from servers.pool.pool import Pool
from servers.pool.scheduling.instance import Reservation
from servers.pool.upstream.deadline import Deadline
from servers.pool.upstream.reply import Reply
from servers.pool.upstream.sse import Reader
from tools.errors import Cancelled, EngineGone, Unavailable, UpstreamFailed, UpstreamSilent

WHOLE = 5
"""An answer in one piece may take so many times the patience for a first token."""


async def relay(
    pool: Pool, exchange: Exchange, order: PoolRequest, spec: ModelSpec, reservation: Reservation
) -> None:
    """Ask the engine and send its answer. What fails is raised, before the first byte as after it."""
    reader, first_s = Reader(), pool.settings.pool.first_token_s
    reply: Reply | None = None
    patience = exchange.patience = Deadline(first_s if order.stream else first_s * WHOLE, polled=True)
    try:
        with patience:
            reply = await ask(pool, spec, reservation, order.path, order.request, order.body)
            if reply.events is None:
                await _whole(pool, exchange, order, spec, reply)
            else:
                await _stream(pool, exchange, order, spec, reply, reader, patience)
        pool.scheduler.answered(reservation)
    except (UpstreamFailed, Unavailable) as exc:
        if not isinstance(exc, EngineGone):
            await pool.lifecycle.doubt(reservation.instance, reservation.generation)
        raise
    except TimeoutError as exc:
        if patience.writing:
            await exchange.abort()
            raise Cancelled("the client takes nothing", source="pool") from exc
        if not reader.events:
            pool.scheduler.fell_silent(reservation, time.monotonic())
        raise UpstreamSilent(f"the engine of {spec.id} fell silent", source="engine") from exc
    finally:
        if reply is not None:
            reply.close()


async def _whole(pool: Pool, exchange: Exchange, order: PoolRequest, spec: ModelSpec, reply: Reply) -> None:
    body = reply.body or b""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise UpstreamFailed("the engine sent something that is not JSON", source="engine") from exc
    if not isinstance(said, dict):
        raise UpstreamFailed("the engine sent something that is not an object", source="engine")
    if reply.status < 300:
        _refuse_abort(said)
        _count(pool, spec, said.get("usage"), began=exchange.arrived)
        body = order.writer.whole(said, body)
    exchange.answered = True
    await exchange.whole(reply.status, body, [JSON, *order.headers(spec.id)])


async def _stream(
    pool: Pool,
    exchange: Exchange,
    order: PoolRequest,
    spec: ModelSpec,
    reply: Reply,
    reader: Reader,
    patience: Deadline,
) -> None:
    between_s, turn = pool.settings.pool.between_tokens_s, order.writer.turn
    began = 0.0
    assert reply.events is not None
    async for part in reply.events:
        chunk = reader.feed(part)
        if not chunk:
            continue
        if not exchange.answered:
            exchange.answered, began = True, time.monotonic()
            await exchange.stream(order.writer, order.headers(spec.id))
            if order.preface:
                await exchange.write(order.preface)
        patience.writing = True
        await exchange.write(turn(chunk))
        patience.writing = False
        patience.renew(between_s)
        if reader.done:
            break
    reader.close()
    await exchange.end(order.writer.last())
    _count(pool, spec, reader.usage or {"completion_tokens": reader.events}, began=began)


def _count(pool: Pool, spec: ModelSpec, usage: Any, *, began: float) -> None:
    """Note what was served; `usage` is what the engine says, which may be anything."""
    told = usage if isinstance(usage, dict) else {}
    read, written = told.get("prompt_tokens"), told.get("completion_tokens")
    now = time.monotonic()
    pool.meter.of(spec.id).answered(
        prompt=read if isinstance(read, int) else 0,
        completion=written if isinstance(written, int) else 0,
        seconds=now - began,
        at=now,
    )


def _refuse_abort(said: dict[str, Any]) -> None:
    choices = said.get("choices") or ()
    if any(isinstance(choice, dict) and choice.get("finish_reason") == "abort" for choice in choices):
        raise UpstreamFailed("the engine aborted the answer", source="engine", code="engine_aborted")
