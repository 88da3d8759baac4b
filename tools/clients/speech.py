"""Client of the speech server: text in, a WAV or a stream of audio out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, NamedTuple

from typing_extensions import TypedDict

from tools.clients.credentials import Credentials
from tools.clients.http import Http, open_http
from tools.schema import Language, Speech, SpeechRequest
from tools.settings import Settings

SAMPLE_S = 180.0
"""A neural voice may have to be loaded first, on a busy machine."""
AudioFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]


class VoiceInfo(TypedDict):
    """A voice that may be asked for by id; `openai` are other names of it, `sample` the path of an MP3 in
    which it says `sample_text`."""

    id: str
    name: str
    language: Language
    region: str
    gender: str
    engine: str
    default: bool
    available: bool
    openai: list[str]
    sample: str
    sample_text: str


class Audio(NamedTuple):
    """A file while it is made, and the id of the voice that speaks."""

    chunks: AsyncIterator[bytes]
    voice: str


class SpeechClient:
    """Typed verbs over the speech server's HTTP API. Raises `tools.errors`."""

    def __init__(self, http: Http) -> None:
        self.http = http

    async def speak(self, request: SpeechRequest) -> Speech:
        """A text as speech. Raises VoiceNotFound, BadRequest."""
        body = await self.http.json("POST", "/tts", json=request.model_dump(exclude_none=True))
        return Speech.model_validate(body)

    @asynccontextmanager
    async def audio(
        self, text: str, *, voice: str | None = None, form: AudioFormat = "mp3", speed: float = 1.0
    ) -> AsyncIterator[Audio]:
        """A text as a file of a format, while it is made; leaving the block stops the voice.

        Raises VoiceNotFound, BadRequest, NotSupported (a format that is not installed)."""
        body = {"input": text, "response_format": form, "speed": speed, "voice": voice}
        given = {name: value for name, value in body.items() if value is not None}
        async with self.http.stream("POST", "/v1/audio/speech", json=given) as answer:
            yield Audio(answer.pieces(), answer.headers.get("x-speech-voice", ""))

    async def voices(self) -> list[VoiceInfo]:
        """The voices there are."""
        return (await self.http.json("GET", "/voices"))["voices"]

    async def sample(self, voice: VoiceInfo) -> bytes:
        """An MP3 in which a voice introduces itself. Raises NotSupported."""
        return (await self.http.send("GET", voice["sample"], timeout=SAMPLE_S)).content


@asynccontextmanager
async def open_speech(settings: Settings) -> AsyncIterator[SpeechClient]:
    """The speech server's client, for whom the caller acts; connections live as long as the block."""
    async with open_http(settings.speech_url, "speech", auth=Credentials(settings)) as http:
        yield SpeechClient(http)
