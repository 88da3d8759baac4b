"""A small real server that speaks the speech service's wire, with the knobs of its neighbours."""

import base64
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import UploadFile

from tests.agents.peers import Knobs
from tools.errors import BadRequest


def build_speech(knobs: Knobs) -> FastAPI:
    app = FastAPI()

    @app.post("/v1/audio/speech")
    async def speech(request: Request) -> Any:
        said = await request.body()
        if knobs.speech_error is not None:
            return JSONResponse(knobs.speech_error.envelope(), knobs.speech_error.status)
        return Response(said, media_type="audio/mpeg", headers={"x-speech-voice": "es"})

    @app.post("/v1/audio/transcriptions")
    async def transcriptions(request: Request) -> Any:
        async with request.form() as form:
            heard = form.get("file")
            if isinstance(heard, UploadFile):
                return {"text": (await heard.read()).decode()}
        exc = BadRequest("file is missing", param="file", source="speech")
        return JSONResponse(exc.envelope(), exc.status)

    @app.post("/tts")
    async def tts(request: Request) -> Any:
        await knobs.note(request)
        if knobs.speech_error is not None:
            return JSONResponse(knobs.speech_error.envelope(), knobs.speech_error.status)
        audio = base64.b64encode(b"RIFF0000WAVE").decode()
        return {"audio": audio, "format": "wav", "sample_rate": 22050, "duration_s": 0.1, "voice": "es"}

    return app
