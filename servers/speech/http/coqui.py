"""Coqui's `tts-server`: `/api/tts` by query, form or JSON, and its lists of languages and speakers."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request, Response

from servers.speech.http.answers import SpeakerDep, UsageDep, wav
from servers.speech.speaker import Speaker
from servers.speech.voices import ALL, COQUI, OPENAI
from servers.web.door import JSON, MULTIPART, URLENCODED, Form
from servers.web.usage import Usage
from tools.errors import BadRequest

WAV_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"audio/wav": {}}, "description": "16-bit mono WAV, 24 kHz"}
}
FORMS: Final = {"/api/tts": Form((URLENCODED, MULTIPART), body_bytes=256 * 2**10)}
"""Coqui's clients send a form; no page of a browser may."""
MAX_FIELDS: Final = 16

router = APIRouter(tags=["coqui"])


@router.get("/api/tts", responses=WAV_FILE, response_class=Response)
async def by_query(request: Request, speaker: SpeakerDep, usage: UsageDep) -> Response:
    """`text`, `speaker_id`, `language_id` and `speed` in the query, or in headers of Coqui's names."""
    return await _speak(speaker, usage, {**_headers(request), **request.query_params})


@router.post("/api/tts", responses=WAV_FILE, response_class=Response)
async def by_body(request: Request, speaker: SpeakerDep, usage: UsageDep) -> Response:
    """The same fields as a form, as JSON, or in the query; the body goes before the query."""
    fields = {**_headers(request), **request.query_params, **await _body(request)}
    return await _speak(speaker, usage, fields)


@router.get("/languages")
async def languages() -> dict[str, Any]:
    """The languages there are, as ids."""
    return {"languages": sorted({voice.language for voice in ALL})}


@router.get("/speakers")
async def speakers(speaker: SpeakerDep) -> dict[str, Any]:
    """Every name that `speaker_id` may have."""
    named = [voice.id for voice in ALL if voice.engine != COQUI or speaker.coqui is not None]
    return {"speakers": [*named, *OPENAI]}


def _headers(request: Request) -> dict[str, str]:
    """Coqui's server takes its fields from headers as well (`text`, `speaker-id`, `language-id`)."""
    names = {"text": "text", "speaker-id": "speaker_id", "language-id": "language_id"}
    return {name: request.headers[header] for header, name in names.items() if header in request.headers}


async def _body(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.encode() == JSON:
        try:
            body = orjson.loads(await request.body() or b"{}")
        except orjson.JSONDecodeError as exc:
            raise BadRequest("the body is no JSON", source="speech") from exc
        if not isinstance(body, dict):
            raise BadRequest("the body is no JSON object", source="speech")
        return {name: str(value) for name, value in body.items() if isinstance(value, str | int | float)}
    form = await request.form(max_files=0, max_fields=MAX_FIELDS)
    return {name: value for name, value in form.items() if isinstance(value, str)}


async def _speak(speaker: Speaker, usage: Usage, fields: Mapping[str, str]) -> Response:
    text = fields.get("text", "")
    if not text.strip():
        raise BadRequest("text is needed", param="text", source="speech", code="nothing_to_say")
    voice = speaker.choose(fields.get("speaker_id"), fields.get("language_id") or None)
    reading = speaker.read(text, voice=voice, speed=_speed(fields.get("speed")))
    return await wav(reading, usage)


def _speed(given: str | None) -> float:
    try:
        speed = float(given or 1.0)
    except ValueError:
        speed = 0.0
    if not 0.25 <= speed <= 4.0:
        raise BadRequest("speed is a number from 0.25 to 4", param="speed", source="speech")
    return speed
