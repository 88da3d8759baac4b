"""Wires the speech server: one speaker for the life of the app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from servers.speech.routes import router
from servers.speech.speaker import open_speaker
from servers.speech.voices import ENGINE, VOICES
from servers.web.app import create_app
from servers.web.serve import listen
from tools.log import configure
from tools.schema import JsonObject
from tools.settings import Settings


def build_app(settings: Settings) -> FastAPI:
    """The ASGI app; its lifespan loads the voices."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_speaker() as app.state.speaker:
            yield

    async def checks() -> JsonObject:
        speaker = app.state.speaker
        status = "ok" if speaker.waiting < speaker.queue else "down"
        return {"status": status, "engine": ENGINE, "voices": len(VOICES), "waiting": speaker.waiting}

    app = create_app("speech", settings, lifespan=lifespan, checks=checks, description="Text to speech")
    app.include_router(router)
    return app


def run(settings: Settings) -> None:
    """Serve until told to stop."""
    configure("speech", level=settings.log_level)
    listen(build_app(settings), settings=settings, port=settings.ports.speech)
