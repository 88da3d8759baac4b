"""Serves a checked request for a model: which model, a reservation, the engine, the answer.

Another model takes over only before the first byte of an answer, and only where the catalogue declares it.
"""

import asyncio
import time
from collections.abc import Iterator

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.catalog.kinds import misfit
from servers.pool.counters import Counters
from servers.pool.dispatch import may_ask_others
from servers.pool.engines.availability import Availability
from servers.pool.http.exchange import HttpExchange
from servers.pool.http.relay import Relay
from servers.pool.http.request import PoolRequest
from servers.pool.http.routing import AutoRouter
from servers.pool.routing.needs import Need, lacking, needed
from servers.pool.scheduling.admission import Admission
from servers.pool.scheduling.instance import Reservation
from servers.pool.upstream.circuit_breaker import RetryBudget
from tools.errors import BadRequest, Capibara6Error, EngineGone, Unavailable, UpstreamFailed, UpstreamSilent

FAILOVER_ERRORS = (Unavailable, UpstreamFailed, UpstreamSilent)
KEEPALIVE_AFTER_S = 30.0
"""A streaming client that waits longer for a place is kept alive with comments, as it is while loading."""


class Inference:
    """`/v1/chat/completions`, `/v1/completions`, `/v1/embeddings` and their Ollama twins, once checked."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        availability: Availability,
        admission: Admission,
        router: AutoRouter,
        relay: Relay,
        budget: RetryBudget,
        counters: Counters,
        keepalive_s: float,
    ) -> None:
        self.catalog, self.availability, self.admission = catalog, availability, admission
        self.router, self.relay, self.budget, self.counters = router, relay, budget, counters
        self.keepalive_s = keepalive_s

    async def answer(self, exchange: HttpExchange, request: PoolRequest) -> None:
        """Serve `request` from its model, from another engine of it, or from a declared fallback.

        Raises what the first of them failed with.
        """
        self.relay.dispatcher.admit(request.upstream)
        self.budget.earn()
        if request.model == "auto" and self.catalog.auto:
            self.router.apply(exchange, request)
        failure: Capibara6Error | None = None
        for spec, instance in self._candidates(request):
            if isinstance(instance, Capibara6Error):
                failure = failure or instance
                continue
            try:
                await self._serve(exchange, request, spec, instance)
                return
            except FAILOVER_ERRORS as exc:
                self.counters.of(spec.id).failures += 1
                waited_in_vain = exc.code in ("queue_timeout", "draining")
                if exchange.answered or waited_in_vain or not may_ask_others(exc):
                    raise
                failure = failure or exc
                request.reasons.append(f"{instance} failed: {exc.code}")
        assert failure is not None, "there is at least one candidate"
        raise failure

    def begin_load(self, model: str) -> None:
        """Let a model be loaded as a request for it would, without waiting. Raises ModelUnavailable."""
        reservation = self.admission.request(self.availability.instances(self.catalog.spec(model))[0])
        self.admission.release(reservation)
        if reservation.refused is not None:
            raise reservation.refused

    def _candidates(self, request: PoolRequest) -> Iterator[tuple[ModelSpec, str | Capibara6Error]]:
        """Instances that may serve `request`, best first, and the reasons of models that can not."""
        first = self.catalog.spec(request.model)
        for name in (first.id, *first.fallbacks):
            spec = self.catalog.spec(name)
            if wrong := misfit(name, spec.kind, request.upstream.path) or _unable(spec, request):
                yield spec, wrong
                continue
            if name != first.id:
                if need := _unmet(spec, request):
                    request.reasons.append(f"{name} cannot do {need.ability}")
                    continue
                self.counters.fallbacks += 1
            try:
                instances = self.availability.instances(spec)
            except Unavailable as exc:
                request.reasons.append(f"{name} is not available")
                yield spec, exc
                continue
            for instance in instances:
                yield spec, instance

    async def _serve(
        self, exchange: HttpExchange, request: PoolRequest, spec: ModelSpec, instance: str
    ) -> None:
        for again in (True, False):
            reservation = request.reservation = await self._reserve(exchange, request, instance)
            try:
                await self.relay.send(exchange, request, spec, reservation)
                return
            except EngineGone:
                # Our engine accepts no connection: it has just died, and the next place comes with a new one.
                if not again:
                    raise
            finally:
                self.admission.release(reservation)
            await asyncio.sleep(0.05)

    async def _reserve(self, exchange: HttpExchange, request: PoolRequest, instance: str) -> Reservation:
        """A granted reservation of `instance`. Raises what the scheduler refuses it with."""
        reservation = self.admission.request(instance)
        if not reservation.granted:
            try:
                await self._wait(exchange, request, reservation)
            except BaseException:
                self.admission.release(reservation)
                raise
        if reservation.refused is not None:
            raise reservation.refused
        return reservation

    async def _wait(self, exchange: HttpExchange, request: PoolRequest, reservation: Reservation) -> None:
        pause = self.keepalive_s if request.stream and request.writer.keepalive else None
        while not await self.admission.wait(reservation, timeout_s=pause):
            waits_long = time.monotonic() - exchange.arrived_at >= KEEPALIVE_AFTER_S
            if waits_long or self.admission.is_loading(reservation):
                await exchange.start_stream(request.writer, request.headers(reservation.instance))
                await exchange.write(request.writer.keepalive)


def _unable(spec: ModelSpec, request: PoolRequest) -> BadRequest | None:
    """The refusal of a conversation that needs what the catalogue says a model can not do; None where it says
    nothing, which leaves the word to the engine."""
    if spec.abilities is None or not request.upstream.chat:
        return None
    fields = request.upstream.fields
    need = lacking(spec, needed(fields["messages"], fields))
    if need is None:
        return None
    able = ", ".join(sorted(spec.abilities)) or "text alone"
    return BadRequest(
        f"{spec.id} can not do {need.ability}: its abilities are {able}",
        param="model",
        source="pool",
        code="wrong_model",
    )


def _unmet(spec: ModelSpec, request: PoolRequest) -> Need | None:
    """What a fallback would leave out of a request's needs; None when it may take over."""
    fields = request.upstream.fields
    return lacking(spec, needed(fields.get("messages") or [], fields), optional=False)
