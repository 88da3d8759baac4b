"""Dispatch: asks the engine behind a granted reservation, with the one loop that retries.

It retries only what failed before anything was answered, as often as catalogue and budget allow. Which
instance is asked is the business of admission, what becomes of the reply that of `http/` and `consensus/`.
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
from servers.pool.upstream.backend import IN_PROCESS, Backend, Reply, UpstreamRequest
from servers.pool.upstream.circuit_breaker import RetryBudget
from servers.pool.upstream.replicas import Replica, Replicas
from tools.errors import Capibara6Error, EngineGone, RateLimited, Unavailable, UpstreamFailed

RETRY_PAUSE_S = (0.05, 0.2)
"""Least and most seconds before a retry, chosen at random."""
MAX_RETRY_AFTER_S = 1
"""An engine's `Retry-After` of at most this is waited for; a longer one is the client's to wait."""


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

    async def ask(self, spec: ModelSpec, reservation: Reservation, request: UpstreamRequest) -> Reply:
        """The engine's reply, of a status below 500. Raises Unavailable, UpstreamFailed or RateLimited."""
        tried: list[Replica] = []
        for attempt in range(1, spec.attempts + 1):
            try:
                return _checked(spec, await self._once(spec, reservation, request, tried))
            except Capibara6Error as exc:
                if attempt == spec.attempts or not self._worth_retrying(reservation, exc, attempt, tried):
                    raise
                if not self.budget.spend():
                    raise
                self.counters.retries += 1
                await asyncio.sleep((exc.retry_after or 0) + random.uniform(*RETRY_PAUSE_S))
        raise AssertionError("the loop returns or raises")

    async def check(self, reservation: Reservation) -> None:
        """The engine failed a request: before the client hears of it, know whether the engine is well."""
        await self.lifecycle.check(reservation.instance, reservation.generation)

    async def _once(
        self, spec: ModelSpec, reservation: Reservation, request: UpstreamRequest, tried: list[Replica]
    ) -> Reply:
        backend, replicas = self.targets[reservation.instance]
        if backend.managed:
            return await self._ask_managed(backend, spec, reservation, request)
        if replicas is None:
            return await backend.ask(spec, IN_PROCESS, request)
        replica = replicas.choose(time.monotonic(), avoid=tried[-1] if tried else None)
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
        if exc.code == "engine_error":
            return True
        return (
            replicas is not None and len(replicas.all) > 1 and isinstance(exc, Unavailable | UpstreamFailed)
        )


def _track(replica: Replica, reply: Reply) -> None:
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


def _checked(spec: ModelSpec, reply: Reply) -> Reply:
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
