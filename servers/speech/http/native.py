"""Our own wire: `/voices`, `/details`, and `/tts`, which answers with WAV in base64."""

import base64
from typing import Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from servers.speech.encoding.formats import FORMATS, aac_missing
from servers.speech.engine import WORDS_PER_MINUTE
from servers.speech.http.answers import SpeakerDep, UsageDep, headers, whole
from servers.speech.http.transcriptions import state
from servers.speech.sound import SAMPLE_RATE
from servers.speech.speaker import Speaker
from servers.speech.text.markup import MAX_CHARS
from servers.speech.voices import ALL, OPENAI, Voice, VoiceView
from servers.web.door import Form
from tools.schema import JsonObject, Language, Speech, SpeechRequest

MAX_BODY: Final = 256 * 2**10
"""A text of `MAX_CHARS`, each character escaped."""
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
        openai={name: ours[speaker.preferred] for name, ours in OPENAI.items()},
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


def _view(voice: Voice, speaker: Speaker, *, default: bool) -> VoiceView:
    return VoiceView(
        id=voice.id,
        name=voice.name,
        language=voice.language,
        region=voice.region,
        gender=voice.gender,
        engine=voice.engine,
        default=default,
        available=bool(speaker.engines()[voice.engine]["available"]),
    )
