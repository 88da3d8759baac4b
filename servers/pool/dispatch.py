"""Asks the engine behind a granted place: its address, its key, and the one loop that repeats.

It repeats only what failed before anything was answered, as often as catalogue and budget allow.
"""

import asyncio
import random
import time
from typing import Any

import orjson

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.engines.availability import tag
from servers.pool.pool import Pool
from servers.pool.scheduling.instance import Reservation
from servers.pool.upstream import inprocess, ollama, openai
from servers.pool.upstream.replicas import Replica
from servers.pool.upstream.reply import Reply
from tools.errors import Capibara6Error, EngineGone, RateLimited, Unavailable, UpstreamFailed

PAUSE_S = (0.05, 0.2)
HONOURED_S = 1
"""An engine's `Retry-After` of at most this is waited for; a longer one is the client's to wait."""


async def ask(
    pool: Pool, spec: ModelSpec, reservation: Reservation, path: str, request: dict[str, Any], body: bytes
) -> Reply:
    """The engine's reply, of a status below 500. Raises Unavailable, UpstreamFailed or RateLimited."""
    tried: list[Replica] = []
    for attempt in range(1, spec.attempts + 1):
        try:
            return _judged(spec, await _once(pool, spec, reservation, path, request, body, tried))
        except Capibara6Error as exc:
            if attempt == spec.attempts or not _worth_repeating(pool, reservation, exc, attempt, tried):
                raise
            if not pool.budget.spend():
                raise
            pool.meter.repeats += 1
            await asyncio.sleep((exc.retry_after or 0) + random.uniform(*PAUSE_S))
    raise AssertionError("the loop returns or raises")


async def _once(
    pool: Pool,
    spec: ModelSpec,
    reservation: Reservation,
    path: str,
    request: dict[str, Any],
    body: bytes,
    tried: list[Replica],
) -> Reply:
    if spec.backend == "extractive":
        return await inprocess.ask(spec.id, path, request)
    remote = pool.remotes.get(reservation.instance)
    if remote is None:
        return await _own(pool, spec, reservation, path, request, body)
    replica = remote.choose(time.monotonic(), avoid=tried[-1] if tried else None)
    tried.append(replica)
    replica.busy += 1
    try:
        if reservation.instance.endswith("@ollama") or spec.backend == "ollama":
            name = tag(spec.ollama or "")
            reply = await ollama.ask(pool.session, replica.url, name, spec.id, path, request)
        else:
            sent, stream = _addressed(request, body, spec.upstream or spec.id), bool(request.get("stream"))
            reply = await openai.ask(
                pool.lines, replica.url + path, sent, key=pool.key(spec), stream=stream, remote=True
            )
        _weigh(replica, reply)
        return reply
    except BaseException as exc:
        replica.busy -= 1
        if isinstance(exc, Unavailable | UpstreamFailed):
            replica.breaker.failed(time.monotonic(), exc.message)
        raise


async def _own(
    pool: Pool, spec: ModelSpec, reservation: Reservation, path: str, request: dict[str, Any], body: bytes
) -> Reply:
    """Ask an engine that the pool has started."""
    child = pool.lifecycle.children.get(spec.id)
    if child is None or child.generation != reservation.generation:
        raise EngineGone(f"the engine of {spec.id} has just ended", source="engine", retry_after=1)
    stream = bool(request.get("stream"))
    try:
        sent = _addressed(request, body, spec.id)
        return await openai.ask(pool.lines, child.url + path, sent, key=child.key, stream=stream)
    except Unavailable as exc:
        raise EngineGone(exc.message, source="engine", retry_after=1) from exc


def _weigh(replica: Replica, reply: Reply) -> None:
    """Count the outcome, and keep the replica busy until the reply is closed."""
    if reply.status >= 500:
        raise _failed(reply)
    replica.breaker.succeeded()
    close, open_ = reply.close, [True]

    def closed() -> None:
        if open_:
            open_.clear()
            replica.busy -= 1
        close()

    reply.close = closed


def _judged(spec: ModelSpec, reply: Reply) -> Reply:
    """A reply that may go to the client. Our own standing with the engine is not the client's affair."""
    if reply.status >= 500:
        raise _failed(reply)
    if reply.status == 429:
        raise RateLimited(
            f"the engine of {spec.id} is busy", source="engine", retry_after=reply.retry_after or 1
        )
    if reply.status in (401, 403, 404) or 300 <= reply.status < 400:
        reply.close()
        raise UpstreamFailed(
            f"the engine of {spec.id} answered HTTP {reply.status} to the pool", source="engine"
        )
    return reply


def _failed(reply: Reply) -> Capibara6Error:
    reply.close()
    kind = Unavailable if reply.status == 503 else UpstreamFailed
    failed = kind(f"the engine answered HTTP {reply.status}", source="engine", retry_after=reply.retry_after)
    failed.code = "engine_error"
    return failed


def _worth_repeating(
    pool: Pool, reservation: Reservation, exc: Capibara6Error, attempt: int, tried: list[Replica]
) -> bool:
    """An engine that failed by itself may do better at once; one that is gone will not, but another may."""
    if (exc.retry_after or 0) > HONOURED_S:
        return False
    remote = pool.remotes.get(reservation.instance)
    if remote is not None and len(tried) < attempt:
        # Every circuit is open.
        return False
    if exc.code == "engine_error":
        return True
    return remote is not None and len(remote.all) > 1 and isinstance(exc, Unavailable | UpstreamFailed)


def _addressed(request: dict[str, Any], body: bytes, name: str) -> bytes:
    """The body as the client sent it, or with the name that the engine knows the model by."""
    return body if request["model"] == name else orjson.dumps({**request, "model": name})
