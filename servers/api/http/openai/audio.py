"""OpenAI's audio paths: what is spoken and written down is the speech service's, carried there and back."""

from typing import Final

from fastapi import APIRouter, Request, Response

from servers.api.http.dependencies import ServicesDep
from servers.api.http.openai.passthrough import forward
from servers.web.door import RECORDING

TRANSCRIPTIONS: Final = "/v1/audio/transcriptions"
FORMS: Final = {TRANSCRIPTIONS: RECORDING}
SPEECH_BODY: Final = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
}
FILE_BODY: Final = {
    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": {"type": "object"}}}}
}

router = APIRouter(tags=["openai"])


@router.post("/v1/audio/speech", openapi_extra=SPEECH_BODY)
async def speech(request: Request, services: ServicesDep) -> Response:
    """Speak a text as the speech service's own `/v1/audio/speech` does; the audio leaves while it is made."""
    return await forward(services.clients.speech.http, "/v1/audio/speech", request)


@router.post(TRANSCRIPTIONS, openapi_extra=FILE_BODY)
async def transcriptions(request: Request, services: ServicesDep) -> Response:
    """Write a recording down, where the speech service can; 501 says what can, where it does not."""
    return await forward(services.clients.speech.http, TRANSCRIPTIONS, request)
