"""Wires the agent API: settings → clients and agents → app. It answers nothing itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from servers.api import hooks, saves
from servers.api.desk import open_desk
from servers.api.protocol import agents, items, runs, threads
from servers.api.routes import router
from servers.app import create_app
from servers.listen import listen
from tools.log import configure
from tools.settings import Settings


def build_app(settings: Settings) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_desk(settings) as desk:
            app.state.desk = desk
            yield

    async def checks() -> dict[str, Any]:
        return await app.state.desk.health()

    app = create_app(
        "api",
        settings,
        lifespan=lifespan,
        checks=checks,
        description="Agents through OpenAI's wire and the Agent Protocol.",
    )
    for part in (
        router,
        hooks.router,
        saves.router,
        agents.router,
        threads.router,
        runs.router,
        items.router,
    ):
        app.include_router(part)
    return app


def run(settings: Settings) -> None:
    """Serve on `ports.api` until told to stop."""
    configure("api", level=settings.log_level)
    listen(build_app(settings), settings=settings, port=settings.ports.api)
