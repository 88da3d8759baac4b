"""Wires the bridge: settings, stores, health, routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from servers.app import create_app
from servers.bridge import doors, routes
from servers.bridge.health import watching
from servers.bridge.memory import return_large_blocks
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
            yield

    async def checks() -> dict[str, Any]:
        health = getattr(app.state, "health", None)
        return health.summary() if health else {"status": "down"}

    app = create_app("bridge", settings, lifespan=lifespan, checks=checks, description=DESCRIPTION)

    @app.get("/health/detailed", tags=["health"])
    async def detailed() -> dict[str, Any]:
        health = getattr(app.state, "health", None)
        if health is None:
            raise Draining("the bridge is starting", source="bridge", retry_after=1)
        return await health.look()

    app.include_router(routes.router)
    app.include_router(doors.router)
    return app


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    configure("bridge", level=settings.log_level)
    return_large_blocks()
    listen(build_app(settings), settings=settings, port=settings.ports.bridge)
