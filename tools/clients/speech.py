"""Client of the speech server: text in, WAV bytes out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from typing_extensions import TypedDict

from tools.clients.http import Http, open_http
from tools.schema import Language, Speech, SpeechRequest
from tools.settings import Settings


class VoiceInfo(TypedDict):
    """A voice that may be asked for by id."""

    id: str
    name: str
    language: Language
    engine: str


class SpeechClient:
    """Typed verbs over the speech server's HTTP API. Raises `tools.errors`."""

    def __init__(self, http: Http) -> None:
        self.http = http

    async def speak(self, request: SpeechRequest) -> Speech:
        """A text as speech. Raises VoiceNotFound, BadRequest."""
        body = await self.http.json("POST", "/tts", json=request.model_dump(exclude_none=True))
        return Speech.model_validate(body)

    async def voices(self) -> list[VoiceInfo]:
        """The voices there are."""
        return (await self.http.json("GET", "/voices"))["voices"]


@asynccontextmanager
async def open_speech(settings: Settings) -> AsyncIterator[SpeechClient]:
    """The speech server's client with the platform's key; connections live as long as the block."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    async with open_http(settings.speech_url, "speech", api_key=key) as http:
        yield SpeechClient(http)
