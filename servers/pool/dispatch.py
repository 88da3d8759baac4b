"""Dispatch: asks the engine behind a granted reservation, with the one loop that retries.

It retries only what no engine has seen, or what a living engine answered with an error of its own, before
anything was answered and as often as catalogue and budget allow. What was with an engine that died is never
sent again. Which instance is asked is the business of admission, what becomes of the reply that of `http/`
and `consensus/`.
"""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import NamedTuple

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.counters import Counters
from servers.pool.engines.backends import Backends, instance_name
from servers.pool.engines.lifecycle import Lifecycle
from servers.pool.scheduling.instance import Reservation
from servers.pool.upstream.backend import IN_PROCESS, Backend, Endpoint, Health, Reply, UpstreamRequest
from servers.pool.upstream.circuit_breaker import RetryBudget
from servers.pool.upstream.paths import PATHS
from servers.pool.upstream.quarantine import Quarantine, released
from servers.pool.upstream.replicas import Replica, Replicas, head_of
from servers.pool.upstream.sse import ABORTED
from tools.clients.raw.connection import BROKE
from tools.errors import (
    Capibara6Error,
    EngineDied,
    EngineGone,
    NotSupported,
    RateLimited,
    Unavailable,
    UpstreamFailed,
)  # fmt: skip

RETRY_PAUSE_S = (0.05, 0.2)
"""Least and most seconds before a retry, chosen at random."""
MAX_RETRY_AFTER_S = 1
"""An engine's `Retry-After` of at most this is waited for; a longer one is the client's to wait."""
ANSWERED = "engine_error"
"""The code of an engine's own answer of HTTP 5xx."""
REFUSED = "engine_refused"
"""The code of an engine that does not let the pool in, or does not know the model."""


class Target(NamedTuple):
    """What is behind an instance; `replicas` where it runs elsewhere."""

    backend: Backend
    replicas: Replicas | None


def build_targets(catalog: Catalog, backends: Backends) -> dict[str, Target]:
    """The target of every instance."""
    targets: dict[str, Target] = {}
    for spec in catalog.models.values():
        for backend in backends.of(spec) if spec.adapter_of is None else ():
            urls = backend.urls(spec)
            targets[instance_name(spec, backend)] = Target(backend, Replicas(urls) if urls else None)
    return targets


class Dispatcher:
    """Finds the engine of an instance and asks it."""

    def __init__(self, *, targets: Mapping[str, Target], lifecycle: Lifecycle, counters: Counters) -> None:
        self.targets, self.lifecycle, self.counters = targets, lifecycle, counters
        self.budget = RetryBudget()
        self.quarantine = Quarantine()
        self.answered = self.quarantine.answered
        """An engine answered a request whole; on the path of every one, so bound here."""

    def admit(self, request: UpstreamRequest) -> None:
        """Before anything is reserved or loaded for it: BadRequest for what engine after engine died of."""
        self.quarantine.admit(request, time.monotonic())

    async def ask(self, spec: ModelSpec, reservation: Reservation, request: UpstreamRequest) -> Reply:
        """The engine's reply, of a status below 500.

        Raises Unavailable, UpstreamFailed or RateLimited, and BadRequest as `admit` does.
        """
        if not self.quarantine.admit(request, time.monotonic()):
            return await self._ask(spec, reservation, request)
        release = await self.quarantine.turn()
        try:
            self.admit(request)
            return released(await self._ask(spec, reservation, request), release)
        except BaseException:
            release()
            raise

    async def judge(
        self, reservation: Reservation, request: UpstreamRequest, exc: Capibara6Error, reply: Reply
    ) -> None:
        """A reply broke off with `exc`. Raises EngineDied in its place when the engine died with the request;
        else the caller raises `exc`."""
        await self._judge(reservation, request, exc, reply.endpoint)

    async def _ask(self, spec: ModelSpec, reservation: Reservation, request: UpstreamRequest) -> Reply:
        tried: list[Replica] = []
        for attempt in range(1, spec.attempts + 1):
            try:
                return _checked(spec, await self._once(spec, reservation, request, tried), request.path)
            except Capibara6Error as exc:
                if attempt > 1 and isinstance(exc, EngineGone):
                    exc = EngineDied("the engine died after it had failed the request", source="engine")
                endpoint = tried[-1].endpoint if tried else IN_PROCESS
                await self._judge(reservation, request, exc, endpoint)
                if attempt == spec.attempts or not self._worth_retrying(reservation, exc, attempt, tried):
                    raise
                if not self.budget.spend():
                    raise
                self.counters.retries += 1
                await asyncio.sleep((exc.retry_after or 0) + random.uniform(*RETRY_PAUSE_S))
        raise AssertionError("the loop returns or raises")

    async def _judge(
        self, reservation: Reservation, request: UpstreamRequest, exc: Capibara6Error, endpoint: Endpoint
    ) -> None:
        """Look at the engine that failed with `exc`. Raises what the failure turned out to be, if another."""
        managed = self.targets[reservation.instance].backend.managed
        if not isinstance(exc, EngineDied):
            if not _was_seen(exc, managed=managed):
                return
            health = await self._health(reservation, endpoint)
            if health == "well" or exc.code == ABORTED:
                return
            if health == "unknown":
                # It may be dead: then nobody else shall be asked what it may have died of.
                raise UpstreamFailed(exc.message, source="engine", code=BROKE) from exc
        life = f"{reservation.instance}#{reservation.generation}" if managed else endpoint.url
        self.quarantine.died(request, life, time.monotonic())
        raise EngineDied(f"the engine died while it had the request: {exc.message}", source="engine") from exc

    async def _health(self, reservation: Reservation, endpoint: Endpoint) -> Health:
        backend = self.targets[reservation.instance].backend
        if backend.managed:
            return await self.lifecycle.check(reservation.instance, reservation.generation)
        return await backend.health(endpoint)

    async def _once(
        self, spec: ModelSpec, reservation: Reservation, request: UpstreamRequest, tried: list[Replica]
    ) -> Reply:
        backend, replicas = self.targets[reservation.instance]
        if backend.managed:
            return await self._ask_managed(backend, spec, reservation, request)
        if replicas is None:
            return await backend.ask(spec, IN_PROCESS, request)
        head = head_of(request) if len(replicas.all) > 1 else None
        replica = replicas.choose(time.monotonic(), head=head, avoid=tried[-1] if tried else None)
        tried.append(replica)
        replica.busy += 1
        try:
            reply = await backend.ask(spec, replica.endpoint, request)
            _track(replica, reply)
            return reply
        except BaseException as exc:
            replica.busy -= 1
            if isinstance(exc, Unavailable | UpstreamFailed):
                replica.breaker.failed(time.monotonic(), exc.message)
            raise

    async def _ask_managed(
        self, backend: Backend, spec: ModelSpec, reservation: Reservation, request: UpstreamRequest
    ) -> Reply:
        engine = self.lifecycle.engines.get(reservation.instance)
        if engine is None or engine.generation != reservation.generation:
            raise EngineGone(f"the engine of {spec.id} has just ended", source="engine", retry_after=1)
        try:
            return await backend.ask(spec, engine.endpoint, request)
        except Unavailable as exc:
            raise EngineGone(exc.message, source="engine", retry_after=1) from exc

    def _worth_retrying(
        self, reservation: Reservation, exc: Capibara6Error, attempt: int, tried: list[Replica]
    ) -> bool:
        """An engine that failed by itself may do better at once; one that is gone not, but another may."""
        if (exc.retry_after or 0) > MAX_RETRY_AFTER_S:
            return False
        replicas = self.targets[reservation.instance].replicas
        if replicas is not None and len(tried) < attempt:
            # Every circuit is open.
            return False
        if exc.code == ANSWERED:
            return True
        return replicas is not None and len(replicas.all) > 1 and isinstance(exc, Unavailable)


def may_ask_others(exc: Capibara6Error) -> bool:
    """Whether another engine may be asked after this failure: not what an engine may have died of."""
    return not isinstance(exc, EngineDied) and exc.code not in (BROKE, ABORTED)


def _was_seen(exc: Capibara6Error, *, managed: bool) -> bool:
    """Whether an engine may have worked on the request. Who answers 503 elsewhere has declined it; an engine
    of ours declines nothing, and may answer that when what is behind its front is dead."""
    return (isinstance(exc, UpstreamFailed) and exc.code != REFUSED) or (managed and exc.code == ANSWERED)


def _track(replica: Replica, reply: Reply) -> None:
    """Count the outcome, and keep the replica busy until the reply is closed."""
    if reply.status >= 500:
        raise _failed(reply)
    replica.breaker.succeeded()
    reply.endpoint = replica.endpoint
    close, open_ = reply.close, [True]

    def closed() -> None:
        if open_:
            open_.clear()
            replica.busy -= 1
        close()

    reply.close = closed


def _checked(spec: ModelSpec, reply: Reply, path: str) -> Reply:
    """A reply that may go to the client. Our own standing with the engine is not the client's affair."""
    if reply.status >= 500:
        raise _failed(reply)
    if reply.status == 429:
        raise RateLimited(
            f"the engine of {spec.id} is busy", source="engine", retry_after=reply.retry_after or 1
        )
    if reply.status in (404, 405, 501) and not PATHS[path].everywhere:
        reply.close()
        raise NotSupported(f"the engine of {spec.id} has no {path}", param="model", source="engine")
    if reply.status in (401, 403, 404) or 300 <= reply.status < 400:
        reply.close()
        raise UpstreamFailed(
            f"the engine of {spec.id} answered HTTP {reply.status} to the pool",
            source="engine",
            code=REFUSED,
        )
    return reply


def _failed(reply: Reply) -> Capibara6Error:
    reply.close()
    kind = Unavailable if reply.status == 503 else UpstreamFailed
    failed = kind(f"the engine answered HTTP {reply.status}", source="engine", retry_after=reply.retry_after)
    failed.code = ANSWERED
    return failed
