"""Wires the agent API: settings → clients and agents → app. It answers nothing itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from servers.api.http import saves, webhooks
from servers.api.http.chat import router
from servers.api.http.protocol import agents, runs, store_items, threads
from servers.api.services import open_desk
from servers.web.app import create_app
from servers.web.serve import listen
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
        webhooks.router,
        saves.router,
        agents.router,
        threads.router,
        runs.router,
        store_items.router,
    ):
        app.include_router(part)
    return app


def run(settings: Settings) -> None:
    """Serve on `ports.api` until told to stop."""
    configure("api", level=settings.log_level)
    listen(build_app(settings), settings=settings, port=settings.ports.api)
