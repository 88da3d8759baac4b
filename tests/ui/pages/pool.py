"""A small pool with two models: it lists, loads and unloads them, and keeps what it is told of answers."""

from dataclasses import dataclass, field

from fastapi import FastAPI

from servers.api.http.openai.models import describe_assistant
from servers.web.app import add_error_handlers
from tools.access.identity import LOCAL
from tools.errors import ModelNotFound
from tools.schema import JsonObject

AGENTS = ("capibara6", "capibara6-research", "capibara6-data")
MODELS: dict[str, JsonObject] = {
    "extractive": {"domain": "rules", "description": "Cita frases de los documentos", "context_tokens": None},
    "phi4_fast": {"domain": "fast", "description": "Phi-4 mini", "context_tokens": 16_384},
    "gemma3_multimodal": {"domain": "multimodal", "description": "Gemma 3 12B", "context_tokens": 131_072},
}


@dataclass
class PoolState:
    """What the pool has been told, and which models are loaded."""

    loaded: set[str] = field(default_factory=lambda: {"extractive", "phi4_fast"})
    feedback: list[JsonObject] = field(default_factory=list)


def build_pool(state: PoolState) -> FastAPI:
    app = FastAPI()
    add_error_handlers(app, "pool")

    @app.get("/health")
    async def health() -> JsonObject:
        return {"status": "ok", "version": "0.1.0", "problems": []}

    @app.get("/v1/models")
    async def models() -> JsonObject:
        return {"object": "list", "data": listed(state)}

    @app.get("/stats")
    async def stats() -> JsonObject:
        rows = {name: row(state, name) for name in MODELS}
        return {"slots": {"total": 3, "used": len(state.loaded)}, "queued": 0, "models": rows, "events": []}

    @app.post("/v1/route")
    async def route(body: JsonObject) -> JsonObject:
        model = body.get("route", {}).get("model", "phi4_fast")
        state.loaded.add(model)
        return {"wanted": model, "model": model, "confidence": 1.0, "reasons": []}

    @app.post("/v1/route/feedback")
    async def feedback(body: JsonObject) -> JsonObject:
        if body["model"] not in MODELS:
            raise ModelNotFound(f"there is no model {body['model']}", source="pool")
        state.feedback.append(body)
        return {}

    @app.post("/v1/models/{name}/unload")
    async def unload(name: str) -> JsonObject:
        state.loaded.discard(name)
        return {"id": name}

    return app


def with_models(api: FastAPI, state: PoolState) -> FastAPI:
    """The API's list of what can be asked: its agents, and the pool's models."""

    @api.get("/v1/models")
    async def models() -> JsonObject:
        agents = [{"id": name, "domain": "agent", "available": True} for name in AGENTS]
        agents += map(describe_assistant, await api.state.services.assistants.readable(LOCAL))
        return {"object": "list", "data": [*agents, *listed(state)]}

    return api


def listed(state: PoolState) -> list[JsonObject]:
    there = [name for name in MODELS if name != "gemma3_multimodal"]
    return [
        {
            "id": name,
            **about,
            "available": name in there,
            "reason": None if name in there else "no hay GPU en esta máquina",
            "status": "loaded" if name in state.loaded else "available",
            "ready": name in state.loaded,
        }
        for name, about in MODELS.items()
    ]


def row(state: PoolState, name: str) -> JsonObject:
    return {
        "state": "ready" if name in state.loaded else "cold",
        "in_flight": 1 if name == "phi4_fast" else 0,
        "queued": 0,
        "memory": 5 * 2**30 if name == "phi4_fast" and name in state.loaded else None,
        "tokens_per_second": 38.2 if name == "phi4_fast" else 0,
        "requests": 12,
        "cause": None,
    }
