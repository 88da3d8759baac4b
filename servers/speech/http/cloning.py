"""Voices cloned from recordings: `POST|GET /v1/audio/voices` as at OpenAI, `DELETE /v1/audio/voices/{id}`."""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import UploadFile

from servers.speech.coqui.process import cloning_missing
from servers.speech.coqui.recordings import MAX_BYTES, ClonedVoice, Recordings
from servers.web.door import MULTIPART, Form
from tools.access.identity import LOCAL, current
from tools.errors import BadRequest, NotSupported

PATH: Final = "/v1/audio/voices"
FORMS: Final = {PATH: Form((MULTIPART,), body_bytes=MAX_BYTES + 2**16, uploads=True)}
MAX_FIELDS: Final = 8

router = APIRouter(tags=["openai"])


def recordings_of(request: Request) -> Recordings:
    """The owners' recordings."""
    return request.app.state.recordings


RecordingsDep = Annotated[Recordings, Depends(recordings_of)]


@router.post(PATH)
async def add(request: Request, recordings: RecordingsDep) -> dict[str, Any]:
    """Keep a recording (`audio_sample`, WAV, 3 to 60 s) as the voice `name` of whoever asks; `consent=true`
    says that the one who speaks in it has agreed."""
    if missing := cloning_missing(request.app.state.settings.speech):
        raise NotSupported(missing, source="speech", code="no_cloning")
    async with request.form(max_files=1, max_fields=MAX_FIELDS) as fields:
        sample, name = fields.get("audio_sample"), fields.get("name")
        if not isinstance(sample, UploadFile) or not isinstance(name, str):
            raise BadRequest("name and audio_sample are needed", param="audio_sample", source="speech")
        consent = str(fields.get("consent", "")).lower() == "true"
        recording = await sample.read()
    voice = await asyncio.to_thread(recordings.add, current() or LOCAL, name, recording, consent=consent)
    return _told(voice)


@router.get(PATH)
async def listed(recordings: RecordingsDep) -> dict[str, Any]:
    """The caller's own voices."""
    found = await asyncio.to_thread(recordings.list, current() or LOCAL)
    return {"object": "list", "data": [_told(voice) for voice in found]}


@router.delete(PATH + "/{voice_id}")
async def remove(voice_id: str, recordings: RecordingsDep) -> dict[str, Any]:
    """Forget one of the caller's voices."""
    await asyncio.to_thread(recordings.remove, current() or LOCAL, voice_id)
    return {"object": "audio.voice", "id": voice_id, "deleted": True}


def _told(voice: ClonedVoice) -> dict[str, Any]:
    return {"object": "audio.voice", **voice._asdict()}
