"""Our own wire: `/voices` with their samples, `/details`, and `/tts`, which answers with WAV in base64."""

import base64
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from servers.speech.encoding.formats import FORMATS, aac_missing
from servers.speech.engine import WORDS_PER_MINUTE
from servers.speech.http.answers import SpeakerDep, UsageDep, audio, headers, whole
from servers.speech.http.transcriptions import state
from servers.speech.sound import SAMPLE_RATE
from servers.speech.speaker import Speaker
from servers.speech.text.markup import MAX_CHARS
from servers.speech.voices import ALL, BY_ID, OPENAI, Voice, VoiceView, openai_voices
from servers.web.door import Form
from tools.errors import VoiceNotFound
from tools.schema import JsonObject, Language, Speech, SpeechRequest

MAX_BODY: Final = 256 * 2**10
"""A text of `MAX_CHARS`, each character escaped."""
INTRODUCTIONS: Final[dict[Language, str]] = {
    "es": "Hola, soy {name}. Así leo lo que me pides, con sus números, como el 27 de mayo de 2025.",
    "en": "Hello, I am {name}. This is how I read what you ask for, with its numbers, such as May 27, 2025.",
}
MP3: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"audio/mpeg": {}}, "description": "The introduction, 24 kHz mono"}
}
FORMS: Final = {"/tts": Form(body_bytes=MAX_BODY)}

router = APIRouter()


class VoiceList(BaseModel):
    """`default` is a voice's id by language, `openai` ours for each of OpenAI's names (Spanish, English)."""

    voices: list[VoiceView]
    default: dict[Language, str]
    engine: str
    openai: dict[str, tuple[str, str]]


@router.get("/voices")
async def voices(speaker: SpeakerDep) -> VoiceList:
    """Every voice, and which one speaks each language unless another is named."""
    default = {language: speaker.choose(None, language) for language in ("es", "en")}
    return VoiceList(
        voices=[_view(voice, speaker, default=voice in default.values()) for voice in ALL],
        default={voice.language: voice.id for voice in default.values()},
        engine=speaker.preferred,
        openai={name: openai_voices(name, speaker.preferred) for name in OPENAI},
    )


@router.get("/details")
async def details(request: Request, speaker: SpeakerDep) -> JsonObject:
    """The engines, the recogniser, their limits and their queue."""
    return {
        "engine": speaker.preferred,
        "engine_version": speaker.espeak.synthesiser.version,
        "engines": speaker.engines(),
        "recogniser": state(request.app.state.recogniser),
        "languages": sorted({voice.language for voice in ALL}),
        "formats": [name for name in FORMATS if name != "aac" or aac_missing() is None],
        "format": "wav",
        "sample_rate": SAMPLE_RATE,
        "max_chars": MAX_CHARS,
        "words_per_minute": WORDS_PER_MINUTE,
        "speed": "0.25 to 4; espeak-ng does not go slower than 0.5",
        "queue": {"waiting": speaker.waiting, "bound": speaker.espeak.queue},
        "cache": {"sentences": len(speaker.cache.sounds), "bytes": speaker.cache.bytes},
    }


@router.post("/tts")
async def tts(request: SpeechRequest, response: Response, speaker: SpeakerDep, usage: UsageDep) -> Speech:
    """Speak a text; the WAV comes in base64."""
    voice = speaker.choose(request.voice_id, request.language)
    reading = speaker.read(request.text, voice=voice, speed=request.speed)
    sound = await whole(reading, usage)
    response.headers.update(headers(reading))
    return Speech(
        audio=base64.b64encode(sound.wav()).decode(),
        sample_rate=sound.sample_rate,
        duration_s=round(sound.duration_s, 3),
        voice=reading.voice.id,
    )


@router.get("/voices/{voice_id}/sample", responses=MP3, response_class=Response)
async def sample(voice_id: str, speaker: SpeakerDep, usage: UsageDep) -> Response:
    """A voice introduces itself. Where its engine is missing another speaks, and a header says so."""
    if voice_id not in BY_ID:
        raise VoiceNotFound(f"no voice {voice_id[:64]!r}", param="voice_id", source="speech")
    voice = speaker.choose(voice_id, None)
    return await audio(speaker.read(_introduction(voice), voice=voice), "mp3", usage)


def _introduction(voice: Voice) -> str:
    return INTRODUCTIONS[voice.language].format(name=voice.name)


def _view(voice: Voice, speaker: Speaker, *, default: bool) -> VoiceView:
    place = ("es", "en").index(voice.language)
    return VoiceView(
        id=voice.id,
        name=voice.name,
        language=voice.language,
        region=voice.region,
        gender=voice.gender,
        engine=voice.engine,
        default=default,
        available=bool(speaker.engines()[voice.engine]["available"]),
        openai=[name for name in OPENAI if openai_voices(name, voice.engine)[place] == voice.id],
        sample=f"/voices/{voice.id}/sample",
        sample_text=_introduction(voice),
    )
