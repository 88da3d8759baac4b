"""HTTP of the speech server: our own `/tts`, Coqui's `/api/tts` and OpenAI's `/v1/audio/speech`."""

import base64
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from servers.speech.sound import Sound
from servers.speech.speaker import WORDS_PER_MINUTE, Speaker
from servers.speech.text import MAX_CHARS
from servers.speech.voices import DEFAULTS, ENGINE, VOICES, VoiceView, choose
from tools.errors import BadRequest
from tools.schema import JsonObject, Language, Speech, SpeechRequest, Wire

WAV = "audio/wav"
WAV_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {WAV: {}}, "description": "16-bit mono WAV"}}

router = APIRouter()


class OpenAISpeech(Wire):
    """OpenAI's request for speech; the voice decides the language. The default format here is WAV."""

    model: Literal["espeak", "tts-1"] = "tts-1"
    input: str = Field(min_length=1, max_length=MAX_CHARS)
    voice: str | None = Field(None, max_length=128)
    response_format: Literal["wav", "pcm"] = "wav"
    speed: float = Field(1.0, ge=0.25, le=4.0)
    instructions: str | None = None


class VoiceList(BaseModel):
    """`default` is a voice's id by language."""

    voices: list[VoiceView]
    default: dict[Language, str]


def speaker_of(request: Request) -> Speaker:
    """The speaker that the app's lifespan opened."""
    return request.app.state.speaker


SpeakerDep = Annotated[Speaker, Depends(speaker_of)]


@router.get("/voices")
async def voices() -> VoiceList:
    """Every voice, and which one speaks each language unless another is named."""
    return VoiceList(
        voices=[voice.view() for voice in VOICES],
        default={voice.language: voice.id for voice in DEFAULTS},
    )


@router.get("/details")
async def details(speaker: SpeakerDep) -> JsonObject:
    """The engine, its limits and its queue."""
    return {
        "engine": ENGINE,
        "engine_version": speaker.espeak.version,
        "engines": {
            ENGINE: {"available": True, "voices": len(VOICES)},
            "coqui": {
                "available": False,
                "reason": "Coqui voices are not installed: this server speaks with espeak-ng alone",
            },
        },
        "languages": sorted({voice.language for voice in VOICES}),
        "format": "wav",
        "sample_rate": speaker.espeak.sample_rate,
        "max_chars": MAX_CHARS,
        "words_per_minute": WORDS_PER_MINUTE,
        "speed": "0.25 to 4; this engine does not go slower than 0.5",
        "queue": {"waiting": speaker.waiting, "bound": speaker.queue},
    }


@router.post("/tts")
async def tts(request: SpeechRequest, speaker: SpeakerDep) -> Speech:
    """Speak a text; the WAV comes in base64."""
    voice = choose(request.voice_id, request.language)
    sound = await speaker.speak(request.text, voice=voice, speed=request.speed)
    return Speech(
        audio=base64.b64encode(sound.wav()).decode(),
        sample_rate=sound.sample_rate,
        duration_s=round(sound.duration_s, 3),
        voice=voice.id,
    )


@router.get("/api/tts", responses=WAV_FILE, response_class=Response)
async def coqui(request: Request, speaker: SpeakerDep) -> Response:
    """Coqui's server: `text`, `speaker_id` and `language_id` in the query."""
    return await _coqui(speaker, request.query_params)


@router.post("/api/tts", responses=WAV_FILE, response_class=Response)
async def coqui_form(request: Request, speaker: SpeakerDep) -> Response:
    """The same fields as a form, or in the query."""
    form = await request.form(max_files=0, max_fields=16)
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    return await _coqui(speaker, {**request.query_params, **fields})


@router.post("/v1/audio/speech", responses=WAV_FILE, response_class=Response)
async def openai(request: OpenAISpeech, speaker: SpeakerDep) -> Response:
    """Speak a text through OpenAI's API; the answer is the audio itself."""
    voice = choose(request.voice, None)
    sound = await speaker.speak(request.input, voice=voice, speed=request.speed)
    if request.response_format == "pcm":
        return Response(sound.pcm, media_type=f"audio/L16; rate={sound.sample_rate}; channels=1")
    return _wav(sound)


async def _coqui(speaker: Speaker, fields: Mapping[str, str]) -> Response:
    text = fields.get("text", "")
    if not text.strip():
        raise BadRequest("text is needed", param="text", source="speech", code="nothing_to_say")
    voice = choose(fields.get("speaker_id"), fields.get("language_id") or None)
    return _wav(await speaker.speak(text, voice=voice))


def _wav(sound: Sound) -> Response:
    return Response(sound.wav(), media_type=WAV)
