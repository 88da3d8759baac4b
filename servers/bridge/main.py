"""Wires the bridge: settings, stores, health, routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from servers.app import create_app
from servers.bridge import admin, collections, doors, routes, saved
from servers.bridge.audit import Audit
from servers.bridge.examples import explained
from servers.bridge.gate import Gate
from servers.bridge.health import watching
from servers.bridge.keys import Keys
from servers.bridge.memory import collect_seldom, return_large_blocks
from servers.bridge.metrics import StoreMetrics
from servers.bridge.store import Store
from servers.bridge.stores import open_stores
from servers.listen import listen
from tools.errors import Draining
from tools.log import configure
from tools.settings import Settings

DESCRIPTION = "One safe door to Milvus, NebulaGraph, PostgreSQL and Redis; documents and hybrid search."


def build_app(settings: Settings) -> FastAPI:
    """The bridge as an ASGI app. It starts without its stores and uses them as they come up."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_stores(settings) as stores, watching(stores) as health:
            app.state.stores, app.state.health = stores, health
            app.state.keys = Keys(stores.postgres, settings.access)
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
        gate=gate,
        lane=[*doors.router.routes, *routes.router.routes],
    )
    app.state.registry.register(StoreMetrics(clients))

    @app.get("/health/detailed", tags=["health"])
    async def detailed() -> dict[str, Any]:
        health = getattr(app.state, "health", None)
        if health is None:
            raise Draining("the bridge is starting", source="bridge", retry_after=1)
        return await health.look()

    for router in (routes.router, doors.router, collections.router, saved.router, admin.router):
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
