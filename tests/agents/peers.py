"""Small real servers that speak the wires of pool and bridge, with knobs for what can go wrong."""

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse

from agents.events import Done, Event
from servers.pool.extractive.answer import answer
from tests.agents.peer_data import DOCUMENTS, MODELS, TABLES
from tools.errors import BadRequest, Capibara6Error, ModelNotFound, NotSupported
from tools.text.language import detect
from tools.text.words import terms


@dataclass
class Knobs:
    """What the peers do; `asked` holds every request body by path, `open_streams` those not finished."""

    token_s: float = 0.0
    first_s: float = 0.0
    cut_after: int | None = None
    error: Capibara6Error | None = None
    bridge_error: Capibara6Error | None = None
    speech_error: Capibara6Error | None = None
    script: list[list[dict[str, Any]]] = field(default_factory=list)
    mind: Callable[[dict[str, Any]], list[dict[str, Any]]] | None = None
    documents: list[dict[str, str]] = field(default_factory=lambda: list(DOCUMENTS))
    degraded: list[str] = field(default_factory=list)
    asked: dict[str, list[Any]] = field(default_factory=dict)
    open_streams: int = 0
    model: str = "extractive"
    ready: bool = True
    loaded: list[str] = field(default_factory=lambda: list(MODELS))
    window: int | None = None
    holds_chars: int | None = None
    finish: str = "stop"
    tables: dict[str, Any] = field(default_factory=dict)
    tables_error: Capibara6Error | None = None
    tokens: Callable[[str], int] | None = None
    bearers: dict[str, list[str]] = field(default_factory=dict)
    """Tokens by path, as they were shown."""

    def reset(self) -> None:
        open_streams = self.open_streams
        self.__init__()
        self.open_streams = open_streams

    async def note(self, request: Request) -> Any:
        body = await request.json()
        self.asked.setdefault(request.url.path, []).append(body)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.bearers.setdefault(request.url.path, []).append(token)
        return body


def ending(events: Sequence[Event]) -> Done:
    """The end of a run that was answered."""
    assert isinstance(events[-1], Done)
    return events[-1]


def build_pool(knobs: Knobs) -> FastAPI:
    app = FastAPI()

    @app.post("/v1/route")
    async def route(request: Request) -> Any:
        await knobs.note(request)
        return {
            "wanted": "phi4_fast",
            "model": knobs.model,
            "confidence": 0.8,
            "reasons": ["short question"],
            "ready": knobs.ready,
            "context_tokens": knobs.window,
        }

    @app.post("/tokenize")
    async def tokenize(request: Request) -> Any:
        body = await knobs.note(request)
        if knobs.tokens is None:
            exc = NotSupported("the tokenizer is not here", param="model", source="pool")
            return JSONResponse(exc.envelope(), exc.status)
        return {"counts": [knobs.tokens(message["content"]) for message in body["messages"]]}

    _add_models(app, knobs)

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Any:
        body = await knobs.note(request)
        if knobs.error is not None:
            return JSONResponse(knobs.error.envelope(), knobs.error.status)
        if knobs.holds_chars is not None and len(json.dumps(body["messages"])) > knobs.holds_chars:
            exc = BadRequest("This model's maximum context length is 64 tokens", source="engine")
            return JSONResponse(exc.envelope(), exc.status)
        if body["model"] not in MODELS:
            exc = ModelNotFound(f"no model {body['model']}", param="model", source="pool")
            return JSONResponse(exc.envelope(), exc.status)
        deltas = _deltas(knobs, body)
        if not body.get("stream"):
            return _completion(body["model"], deltas)
        return StreamingResponse(_chunks(knobs, body["model"], deltas), media_type="text/event-stream")

    @app.get("/health/live")
    async def live() -> Any:
        return {"status": "ok"}

    return app


def _add_models(app: FastAPI, knobs: Knobs) -> None:
    @app.post("/v1/route/feedback")
    async def feedback(request: Request) -> Any:
        await knobs.note(request)
        return {"recorded": True}

    @app.get("/v1/models")
    async def models() -> Any:
        return {
            "object": "list",
            "data": [
                {
                    "id": name,
                    "object": "model",
                    "available": name in knobs.loaded,
                    "ready": name in knobs.loaded,
                }
                for name in MODELS
            ],
        }

    @app.get("/v1/models/{name}")
    async def model(name: str) -> Any:
        if name not in MODELS:
            exc = ModelNotFound(f"no model {name}", param="model", source="pool")
            return JSONResponse(exc.envelope(), exc.status)
        return {"id": name, "object": "model", "available": True, "ready": knobs.ready}


def build_bridge(knobs: Knobs) -> FastAPI:
    app = FastAPI()

    @app.post("/api/v1/rag/hybrid-search")
    async def search(request: Request) -> Any:
        body = await knobs.note(request)
        if knobs.bridge_error is not None:
            return JSONResponse(knobs.bridge_error.envelope(), knobs.bridge_error.status)
        wanted = set(terms(body["query"], detect(body["query"])))
        scored = sorted(((_overlap(wanted, one), one) for one in knobs.documents), key=lambda pair: -pair[0])
        hits = [
            {**one, "id": f"{one['id']}:0", "document_id": one["id"], "score": score}
            for score, one in scored[: body["top_k"]]
        ]
        return {"results": hits, "degraded": knobs.degraded, "took_ms": 1.0}

    _add_listings(app, knobs)

    @app.post("/api/v1/documents")
    async def ingest(request: Request) -> Any:
        body = await knobs.note(request)
        knobs.documents += [{**one, "source": one["source"] or one["id"]} for one in body["documents"]]
        return {"accepted": len(body["documents"])}

    @app.delete("/api/v1/documents/{name}")
    async def delete(name: str) -> Any:
        knobs.documents = [one for one in knobs.documents if one["id"] != name]
        return {}

    @app.get("/api/v1/collections")
    async def collections() -> Any:
        return {"collections": [{"name": "capibara6", "documents": len(knobs.documents)}]}

    @app.post("/api/v1/postgres/query")
    async def sql(request: Request) -> Any:
        return _table(knobs, await knobs.note(request))

    @app.get("/api/v1/postgres/tables")
    async def tables() -> Any:
        return {"tables": TABLES}

    @app.post("/api/v1/nebula/query")
    async def graph(request: Request) -> Any:
        return _table(knobs, await knobs.note(request))

    @app.get("/health/live")
    async def live() -> Any:
        return {"status": "ok"}

    return app


def _add_listings(app: FastAPI, knobs: Knobs) -> None:
    @app.get("/api/v1/documents")
    async def held(source: Annotated[list[str] | None, Query()] = None) -> Any:
        wanted = source or []
        return {"documents": [one for one in knobs.documents if one.get("source_uri") in wanted]}

    @app.get("/api/v1/embedders")
    async def embedders() -> Any:
        named = {"name": "all-MiniLM-L6-v2", "model": "minilm-l6-v2", "dimensions": 2, "languages": ["en"]}
        return {"default": "minilm-l6-v2", "embedders": [named]}

    @app.post("/api/v1/embeddings")
    async def embeddings(request: Request) -> Any:
        body = await knobs.note(request)
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        packed = body.get("encoding_format") == "base64"
        vector = base64.b64encode(struct.pack("<2f", 0.6, 0.8)).decode() if packed else [0.6, 0.8]
        data = [{"object": "embedding", "index": n, "embedding": vector} for n in range(len(texts))]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def _deltas(knobs: Knobs, body: dict[str, Any]) -> list[dict[str, Any]]:
    """What the model says: scripted, of its own mind, or what the extractive model would."""
    if knobs.mind is not None:
        return knobs.mind(body)
    return knobs.script.pop(0) if knobs.script else _words(answer(body["messages"]))


def _table(knobs: Knobs, body: dict[str, Any]) -> Any:
    """The answer set for a query in `knobs.tables`; anything else is the error a store would give."""
    if knobs.tables_error is not None:
        return JSONResponse(knobs.tables_error.envelope(), knobs.tables_error.status)
    if body["query"] in knobs.tables:
        return knobs.tables[body["query"]]
    exc = Capibara6Error(f"syntax error near {body['query'][:20]!r}", code="query_failed", source="bridge")
    return JSONResponse(exc.envelope(), 400)


def _overlap(wanted: set[str], document: dict[str, str]) -> float:
    held = set(terms(f"{document['title']} {document['text']}", detect(document["text"])))
    return len(wanted & held) / (len(wanted) or 1)


def _words(text: str) -> list[dict[str, Any]]:
    return [{"content": f"{word} "} for word in text.split(" ")]


def _completion(model: str, deltas: list[dict[str, Any]]) -> Any:
    text = "".join(delta.get("content", "") for delta in deltas).strip()
    message = {"role": "assistant", "content": text}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": len(deltas), "total_tokens": 1 + len(deltas)},
    }


async def _chunks(knobs: Knobs, model: str, deltas: list[dict[str, Any]]) -> AsyncIterator[bytes]:
    knobs.open_streams += 1
    try:
        await asyncio.sleep(knobs.first_s)
        for number, delta in enumerate(deltas):
            if number == knobs.cut_after:
                return
            yield _line(model, delta, None)
            await asyncio.sleep(knobs.token_s)
        calls = any("tool_calls" in delta for delta in deltas)
        yield _line(model, {}, "tool_calls" if calls else knobs.finish, usage={"total_tokens": len(deltas)})
        yield b"data: [DONE]\n\n"
    finally:
        knobs.open_streams -= 1


def _line(model: str, delta: dict[str, Any], finish: str | None, **extra: Any) -> bytes:
    chunk = {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **extra,
    }
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"
