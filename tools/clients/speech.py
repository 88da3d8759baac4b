"""Client of the speech server: text in, WAV bytes out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tools.clients.http import Http, open_http
from tools.schema import Speech, SpeechRequest
from tools.settings import Settings


class SpeechClient:
    def __init__(self, http: Http) -> None:
        self.http = http

    async def speak(self, request: SpeechRequest) -> Speech:
        body = await self.http.json("POST", "/tts", json=request.model_dump(exclude_none=True))
        return Speech.model_validate(body)

    async def voices(self) -> list[dict[str, Any]]:
        """`{id, name, language, engine}` each."""
        return (await self.http.json("GET", "/voices"))["voices"]


@asynccontextmanager
async def open_speech(settings: Settings) -> AsyncIterator[SpeechClient]:
    key = settings.api_key.get_secret_value() if settings.api_key else None
    async with open_http(settings.speech_url, "speech", api_key=key) as http:
        yield SpeechClient(http)
