"""Wires the speech server: one speaker and one recogniser for the life of the app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from servers.speech.coqui.recordings import Recordings
from servers.speech.http import cloning, coqui, native, openai, transcriptions
from servers.speech.neural.files import kokoro_files
from servers.speech.recogniser.recogniser import open_recogniser
from servers.speech.speaker import open_speaker
from servers.web.app import create_app
from servers.web.serve import listen
from tools.access.secret_values import concealer, secret_values
from tools.log import configure
from tools.schema import JsonObject
from tools.settings import Settings


def build_app(settings: Settings) -> FastAPI:
    """The ASGI app; its lifespan loads the voices."""
    kept = settings.home.absolute() / "voices"

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_speaker(files=kokoro_files(settings), settings=settings.speech) as app.state.speaker,
            open_recogniser(settings.speech, kept / "whisper") as app.state.recogniser,
        ):
            yield

    async def checks() -> JsonObject:
        speaker = app.state.speaker
        status = "ok" if speaker.waiting < speaker.espeak.queue else "down"
        voices = sum(engine["voices"] for engine in speaker.engines().values())
        return {"status": status, "engine": speaker.preferred, "waiting": speaker.waiting, "voices": voices}

    app = create_app(
        "speech",
        settings,
        lifespan=lifespan,
        checks=checks,
        description="Text to speech, and speech to text",
        forms={**native.FORMS, **coqui.FORMS, **openai.FORMS, **transcriptions.FORMS, **cloning.FORMS},
    )
    app.state.settings, app.state.recordings = settings, Recordings(kept / "cloned")
    for room in (native, openai, transcriptions, cloning, coqui):
        app.include_router(room.router)
    return app


def run(settings: Settings) -> None:
    """Serve until told to stop."""
    configure("speech", level=settings.log_level, conceal=concealer(secret_values(settings)))
    listen(build_app(settings), settings=settings, port=settings.ports.speech)
