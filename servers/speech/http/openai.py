"""OpenAI's wire: `/v1/audio/speech`, `/v1/models`; what hears is `transcriptions.py`."""

import asyncio
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from servers.speech.coqui.recordings import PREFIX, Recordings
from servers.speech.encoding.formats import TYPES, Format
from servers.speech.http import transcriptions
from servers.speech.http.answers import SpeakerDep, UsageDep, audio, events, headers, whole
from servers.speech.http.cloning import RecordingsDep
from servers.speech.speaker import Speaker
from servers.speech.text.markup import MAX_CHARS
from servers.speech.voices import BY_ID, COQUI, ESPEAK, KOKORO, Engine, Voice
from servers.web.door import Form
from tools.access.identity import LOCAL, current
from tools.errors import ModelNotFound
from tools.schema import Wire
from tools.text.language import detect

AUDIO: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {kind: {} for kind in (*TYPES.values(), "text/event-stream")},
        "description": "The audio, 24 kHz mono, while it is made; WAV with its length unless streamed",
    }
}
MODELS: Final[dict[str, Engine | None]] = {
    "tts-1": None,
    "tts-1-hd": None,
    "gpt-4o-mini-tts": None,
    "kokoro": KOKORO,
    "espeak": ESPEAK,
    "coqui": COQUI,
}
"""The engine that a model's name asks for; None: the best one here."""
MAX_BODY: Final = 512 * 2**10
"""A text of `MAX_CHARS` and instructions of the same length, each character escaped."""
FORMS: Final = {"/v1/audio/speech": Form(body_bytes=MAX_BODY)}

router = APIRouter(tags=["openai"])


class CustomVoice(BaseModel):
    """A voice as an object, as OpenAI's custom voices are named."""

    id: str = Field(max_length=128)


class SpeechBody(Wire):
    """OpenAI's request for speech. `voice` is one of ours, which decides the language, or one of OpenAI's, of
    which the text's language decides who it is here."""

    model: Annotated[str, Field(max_length=128)] = "tts-1"
    input: str = Field(min_length=1, max_length=MAX_CHARS)
    voice: Annotated[str, Field(max_length=128)] | CustomVoice | None = None
    response_format: Format = "mp3"
    speed: float = Field(1.0, ge=0.25, le=4.0)
    instructions: Annotated[str, Field(max_length=MAX_CHARS)] | None = None
    stream_format: Literal["audio", "sse"] | None = None


@router.post("/v1/audio/speech", responses=AUDIO, response_class=Response)
async def speech(
    request: SpeechBody, speaker: SpeakerDep, usage: UsageDep, recordings: RecordingsDep
) -> Response:
    """Speak a text. The first sentence leaves while the others are made."""
    voice = await _voice(request, speaker, recordings)
    reading = speaker.read(request.input, voice=voice, speed=request.speed)
    notes = ("instructions",) if request.instructions else ()
    if request.stream_format == "sse":
        tokens = len(request.input.split())
        return await events(reading, request.response_format, usage, tokens, *notes)
    if request.response_format == "wav" and request.stream_format is None:
        sound = await whole(reading, usage)
        return Response(sound.wav(), media_type=TYPES["wav"], headers=headers(reading, *notes))
    return await audio(reading, request.response_format, usage, *notes)


@router.get("/v1/models")
async def models(request: Request) -> dict[str, Any]:
    """The names that `model` may have, of those that speak and of the one that listens."""
    names = (*MODELS, *transcriptions.models(request.app.state.recogniser))
    listed = [{"id": name, "object": "model", "created": 0, "owned_by": "capibara6"} for name in names]
    return {"object": "list", "data": listed}


async def _voice(request: SpeechBody, speaker: Speaker, recordings: Recordings) -> Voice:
    """Raises `ModelNotFound`, `VoiceNotFound`, `NotSupported`."""
    family = next((name for name in MODELS if request.model in (name, f"{name}-latest")), None)
    dated = request.model.startswith("gpt-4o-mini-tts-")
    if family is None and not dated:
        known = ", ".join(MODELS)
        raise ModelNotFound(
            f"no model {request.model[:64]!r}; models: {known}", param="model", source="speech"
        )
    named = request.voice.id if isinstance(request.voice, CustomVoice) else request.voice
    spoken = detect(request.input, default="es")
    if named is not None and named.startswith(PREFIX):
        voice = await asyncio.to_thread(recordings.find, current() or LOCAL, named)
        speaker.require_coqui()
        return voice.in_language(spoken)
    voice = speaker.choose(named, spoken)
    engine = MODELS.get(family or "")
    if engine == COQUI:
        speaker.require_coqui()
    return voice if engine is None or named in BY_ID else voice.by(engine)
