"""Wires the pool: settings → catalogue, engines, scheduler, handlers → one ASGI app."""

import gc
from dataclasses import dataclass
from typing import Any

from servers.pool.consensus.member import MemberClient
from servers.pool.consensus.stats import ConsensusStats
from servers.pool.counters import Counters
from servers.pool.dispatch import Dispatcher, build_targets
from servers.pool.feedback import Feedback
from servers.pool.http.app import PoolApp, Routes
from servers.pool.http.consensus import ConsensusHandler
from servers.pool.http.engine_paths.handlers import EngineHandlers
from servers.pool.http.handlers import (
    FeedbackHandlers,
    InferenceHandlers,
    ModelHandlers,
    StatusHandlers,
)
from servers.pool.http.inference import Inference
from servers.pool.http.metrics import PoolMetrics
from servers.pool.http.model_list import ModelList
from servers.pool.http.ollama.handlers import OllamaHandlers
from servers.pool.http.relay import Relay
from servers.pool.http.routing import AutoRouter
from servers.pool.http.status import Status
from servers.pool.http.tokenize import TokenCounter
from servers.pool.pool import Pool, open_pool
from servers.web.serve import listen
from tools.access.secret_values import concealer, secret_values
from tools.log import configure, get_logger
from tools.settings import Settings

GC_THRESHOLDS = (20_000, 20, 50)

log = get_logger("pool")


def build_app(settings: Settings) -> PoolApp:
    """The pool's ASGI app. Its lifespan reads the catalogue and ends all engines on the way out."""
    counters = Counters()

    async def lifespan(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            async with app.access.opened(), open_pool(settings) as pool:
                app.routes = build_routes(settings, pool, counters)
                log.info("ready", models=list(pool.catalog.ids))
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except (OSError, ValueError) as exc:
            await send({"type": "lifespan.startup.failed", "message": str(exc)})
            return
        await send({"type": "lifespan.shutdown.complete"})

    app = PoolApp(settings, counters=counters, lifespan=lifespan)
    return app


@dataclass(frozen=True)
class PoolRoutes(Routes):
    """The routes of one open pool."""

    pool: Pool | None = None


def build_routes(settings: Settings, pool: Pool, counters: Counters) -> PoolRoutes:
    """Hands each handler the parts that it needs."""
    stats = ConsensusStats()
    targets = build_targets(pool.catalog, pool.backends)
    dispatcher = Dispatcher(targets=targets, lifecycle=pool.lifecycle, counters=counters)
    feedback = Feedback(settings.home.absolute() / "routing")
    router = AutoRouter(pool.catalog, pool.availability, feedback)
    inference = _inference(settings, pool, dispatcher, router, counters)
    asked = InferenceHandlers(
        catalog=pool.catalog,
        inference=inference,
        consensus=_consensus(settings, pool, dispatcher, counters, stats, feedback),
        router=router,
    )
    ollama = OllamaHandlers(
        catalog=pool.catalog,
        availability=pool.availability,
        scheduler=pool.scheduler,
        admission=pool.admission,
        inference=inference,
    )
    weights = settings.pool.weights.absolute()
    tokens = TokenCounter(catalog=pool.catalog, backends=pool.backends, weights=weights)
    engines = EngineHandlers(catalog=pool.catalog, inference=inference, tokens=tokens)
    routes = asked.routes | ollama.routes | engines.routes | _models(pool).routes
    routes |= _status(pool, counters, stats).routes | FeedbackHandlers(pool.catalog, feedback).routes
    return PoolRoutes(routes.exact, routes.prefixed, pool)


def _inference(
    settings: Settings, pool: Pool, dispatcher: Dispatcher, router: AutoRouter, counters: Counters
) -> Inference:
    relay = Relay(
        dispatcher=dispatcher,
        admission=pool.admission,
        counters=counters,
        first_token_s=settings.pool.first_token_s,
        between_tokens_s=settings.pool.between_tokens_s,
    )
    return Inference(
        catalog=pool.catalog,
        availability=pool.availability,
        admission=pool.admission,
        router=router,
        relay=relay,
        budget=dispatcher.budget,
        counters=counters,
        keepalive_s=settings.pool.keepalive_s,
    )


def _consensus(
    settings: Settings,
    pool: Pool,
    dispatcher: Dispatcher,
    counters: Counters,
    stats: ConsensusStats,
    feedback: Feedback,
) -> ConsensusHandler:
    members = MemberClient(
        catalog=pool.catalog,
        availability=pool.availability,
        admission=pool.admission,
        dispatcher=dispatcher,
        counters=counters,
        limits=settings.pool,
    )
    return ConsensusHandler(
        catalog=pool.catalog,
        availability=pool.availability,
        members=members,
        stats=stats,
        feedback=feedback,
        slots=settings.pool.max_loaded,
    )


def _models(pool: Pool) -> ModelHandlers:
    models = ModelList(
        catalog=pool.catalog,
        backends=pool.backends,
        availability=pool.availability,
        scheduler=pool.scheduler,
        started_at=pool.started_at,
    )
    return ModelHandlers(
        catalog=pool.catalog,
        models=models,
        availability=pool.availability,
        admission=pool.admission,
    )


def _status(pool: Pool, counters: Counters, stats: ConsensusStats) -> StatusHandlers:
    status = Status(
        catalog=pool.catalog,
        availability=pool.availability,
        scheduler=pool.scheduler,
        lifecycle=pool.lifecycle,
        memory=pool.memory,
        decisions=pool.decisions,
        clock=pool.clock,
        counters=counters,
        consensus=stats,
    )
    return StatusHandlers(status=status, metrics=PoolMetrics(scheduler=pool.scheduler, counters=counters))


def run(settings: Settings) -> None:
    """Serve until SIGTERM; blocking."""
    configure("pool", level=settings.log_level, conceal=concealer(secret_values(settings)))
    app = build_app(settings)
    # What is loaded now stays: looking through it again and again would cost a fifth of every request.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    listen(app, settings=settings, port=settings.ports.pool)
