"""The API's assistants and the wire on which one is tried, over an answer that names who gave it."""

import json

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from servers.api.http.protocol import assistants
from tools.schema import JsonObject


def with_assistants(api: FastAPI) -> FastAPI:
    """The API with its real routes of assistants."""
    api.include_router(assistants.router)

    @api.post("/v1/chat/completions")
    async def complete(request: Request) -> StreamingResponse:
        body = await request.json()
        answer: JsonObject = {
            "answer": f"Responde {body['model']}.",
            "citations": [],
            "model": "extractive",
            "agent": body["model"],
            "timings_ms": {"total": 1.0},
        }
        chunk = json.dumps({"capibara6": {"event": "done", "answer": answer}})
        return StreamingResponse(
            iter([f"data: {chunk}\n\n", "data: [DONE]\n\n"]), media_type="text/event-stream"
        )

    return api
