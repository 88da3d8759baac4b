"""A real MCP server on a free port; behind it, small real peers that speak the wire of bridge and API."""

import json

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from servers.mcp.main import build_app
from tests.conftest import settings_in
from tests.serving import serving
from tools.errors import CollectionNotFound, DocumentNotFound

HIT = {
    "id": "models:0",
    "document_id": "models",
    "title": "Modelos",
    "source": "knowledge/models.md",
    "text": "El servidor tiene como máximo tres modelos cargados.",
    "score": 0.9,
    "legs": {"dense": {"rank": 1, "score": 0.8}},
}
ANSWER = {
    "answer": "Tres modelos [1].",
    "citations": [{"n": 1, **{key: HIT[key] for key in ("title", "source", "document_id", "text")}}],
    "model": "extractive",
    "agent": "capibara6",
    "timings_ms": {"total": 12.0},
}
MODELS = [
    {"id": "capibara6", "object": "model", "description": "The default agent"},
    {
        "id": "phi4_fast",
        "domain": "general",
        "available": False,
        "reason": "no weights",
        "status": "available",
    },
]


def build_bridge():
    app = FastAPI()

    @app.post("/api/v1/rag/hybrid-search")
    async def search(request: Request):
        body = await request.json()
        if body["collection"] == "missing":
            exc = CollectionNotFound("no collection missing", param="collection", source="bridge")
            return JSONResponse(exc.envelope(), 404)
        return {"results": [HIT] * min(body["top_k"], 2), "degraded": ["graph"], "took_ms": 3}

    @app.get("/api/v1/documents")
    async def documents():
        return {"documents": [{"id": "models", "title": "Modelos"}]}

    @app.get("/api/v1/documents/{document_id:path}")
    async def document(document_id: str):
        if document_id != "guía/models":
            return JSONResponse(DocumentNotFound(f"no document {document_id}").envelope(), 404)
        return {"id": document_id, "text": HIT["text"]}

    @app.get("/health/live")
    async def live():
        return {"status": "ok"}

    return app


def build_api():
    app = FastAPI()
    app.state.asked = []

    @app.post("/v1/chat/completions")
    async def chat(request: Request):
        app.state.asked.append(await request.json())
        events = [{"event": "token", "text": "Tres modelos [1]."}, {"event": "done", "answer": ANSWER}]
        lines = [f"data: {json.dumps({'choices': [], 'capibara6': event})}\n\n" for event in events]
        return StreamingResponse(iter([*lines, "data: [DONE]\n\n"]), media_type="text/event-stream")

    @app.get("/v1/models")
    async def models():
        return {"data": MODELS}

    @app.get("/health/live")
    async def live():
        return {"status": "ok"}

    return app


@pytest.fixture(scope="session")
def peers():
    """The API that is asked: `peers.state.asked` holds the requests."""
    return build_api()


@pytest.fixture(scope="session")
def platform(tmp_path_factory, peers):
    """Settings of a running bridge and API."""
    settings = settings_in(tmp_path_factory.mktemp("platform"))
    with serving(build_bridge(), settings.ports.bridge), serving(peers, settings.ports.api):
        yield settings


@pytest.fixture(scope="session")
def running(platform):
    """Settings whose `mcp_url` answers."""
    with serving(build_app(platform), platform.ports.mcp):
        yield platform
