"""Wires the bridge: settings, stores, health, routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from servers.bridge.access.audit import Audit
from servers.bridge.access.auth import Gate
from servers.bridge.access.keys import Keys
from servers.bridge.clients.store_client import Store
from servers.bridge.health import watching
from servers.bridge.http import collections, documents, keys, saved, stores
from servers.bridge.http.metrics import StoreMetrics
from servers.bridge.http.openapi import explained
from servers.bridge.process_memory import collect_seldom, return_large_blocks
from servers.bridge.services import open_stores
from servers.web.app import create_app
from servers.web.serve import listen
from tools.errors import Draining
from tools.log import configure
from tools.settings import Settings

DESCRIPTION = "One safe door to Milvus, NebulaGraph, PostgreSQL and Redis; documents and hybrid search."


def build_app(settings: Settings) -> FastAPI:
    """The bridge as an ASGI app. It starts without its stores and uses them as they come up."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_stores(settings) as services, watching(services) as health:
            app.state.stores, app.state.health = services, health
            app.state.keys = Keys(services.postgres, settings.access)
            yield

    async def checks() -> dict[str, Any]:
        health = getattr(app.state, "health", None)
        return health.summary() if health else {"status": "down"}

    def clients() -> tuple[Store, ...]:
        held = getattr(app.state, "stores", None)
        return (held.milvus, held.nebula, held.postgres, held.redis) if held else ()

    secret = settings.api_key.get_secret_value() if settings.api_key else None
    gate = Gate(secret, lambda: getattr(app.state, "keys", None), Audit(settings.log_level))
    app = create_app(
        "bridge",
        settings,
        lifespan=lifespan,
        checks=checks,
        description=DESCRIPTION,
        access=gate,
        fast_routes=[*stores.router.routes, *documents.router.routes],
    )
    app.state.registry.register(StoreMetrics(clients))

    @app.get("/health/detailed", tags=["health"])
    async def detailed() -> dict[str, Any]:
        health = getattr(app.state, "health", None)
        if health is None:
            raise Draining("the bridge is starting", source="bridge", retry_after=1)
        return await health.look()

    for router in (documents.router, stores.router, collections.router, saved.router, keys.router):
        app.include_router(router)
    explained(app)
    return app


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    configure("bridge", level=settings.log_level)
    return_large_blocks()
    app = build_app(settings)
    collect_seldom()
    listen(app, settings=settings, port=settings.ports.bridge)
