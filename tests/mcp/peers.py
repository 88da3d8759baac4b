"""Small real peers that speak the wire of bridge and API; what they hold may change while they run."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from queue import Queue
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from servers.bridge.clients.nebula import statement_check as ngql
from servers.bridge.clients.postgres import statement_check as sql
from tools.errors import Capibara6Error, CollectionNotFound, DocumentNotFound, NotFound

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
    {"id": "capibara6", "object": "model", "domain": "agent", "description": "The default agent"},
    {
        "id": "phi4_fast",
        "domain": "general",
        "available": False,
        "reason": "no weights",
        "status": "available",
    },
]
LONG = "Una frase larga. " * 4_000


@dataclass
class Held:
    """What the bridge holds: hashes by id in each collection, and the collections' versions."""

    documents: dict[str, dict[str, str]] = field(
        default_factory=lambda: {
            "capibara6": {"guía/models": "1", **{f"d{n:03}": "1" for n in range(149)}},
            "notes": {"largo": "1"},
        }
    )
    versions: dict[str, int] = field(default_factory=lambda: {"capibara6": 1, "notes": 1})
    queries: list[str] = field(default_factory=list[str])

    def write(self, collection: str, document_id: str, digest: str) -> None:
        self.documents.setdefault(collection, {})[document_id] = digest
        self.versions[collection] = self.versions.get(collection, 0) + 1


def build_bridge(held: Held) -> FastAPI:
    app = FastAPI()

    @app.exception_handler(Capibara6Error)
    async def refused(_: Request, exc: Capibara6Error) -> JSONResponse:
        return JSONResponse(exc.envelope(), exc.status)

    @app.get("/health/live")
    async def live() -> Any:
        return {"status": "ok"}

    _add_documents(app, held)
    _add_queries(app, held)
    return app


def _add_queries(app: FastAPI, held: Held) -> None:
    @app.post("/api/v1/rag/hybrid-search")
    async def search(request: Request) -> Any:
        body = await request.json()
        if body["collection"] == "missing":
            raise CollectionNotFound("no collection missing", param="collection", source="bridge")
        return {"results": [HIT] * min(body["top_k"], 30), "degraded": ["graph"], "took_ms": 3}

    @app.post("/api/v1/postgres/query")
    async def query_sql(request: Request) -> Any:
        body = await request.json()
        sql.check(body["query"])
        held.queries.append(body["query"])
        return {"columns": ["n"], "rows": [[n] for n in range(250)]}

    @app.post("/api/v1/nebula/query")
    async def query_graph(request: Request) -> Any:
        body = await request.json()
        held.queries.append(ngql.check(body["query"], write=False))
        return {"columns": ["n"], "rows": [[1]]}


def _add_documents(app: FastAPI, held: Held) -> None:
    @app.get("/api/v1/collections")
    async def collections() -> Any:
        return {
            "collections": [
                {"name": name, "version": version, "documents": len(held.documents[name]), "chunks": 7}
                | {"languages": ["es"], "embedder": "e5", "dimensions": 384}
                for name, version in held.versions.items()
            ]
        }

    @app.get("/api/v1/documents")
    async def documents(request: Request) -> Any:
        asked = request.query_params
        rows = held.documents.get(asked["collection"], {})
        prefixes, ids = asked.getlist("prefix"), asked.getlist("id")
        names = sorted(
            name
            for name in rows
            if (not prefixes or name.startswith(tuple(prefixes))) and (not ids or name in ids)
        )
        start, most = int(asked.get("offset", 0)), int(asked.get("limit", 1_000))
        found = [{"id": name, "title": name, "content_hash": rows[name]} for name in names]
        return {"documents": found[start : start + most], "total": len(names)}

    @app.post("/api/v1/documents")
    async def ingest(request: Request) -> Any:
        body = await request.json()
        for one in body["documents"]:
            held.write(body["collection"], one["id"], str(len(one["text"])))
        return {"accepted": len(body["documents"]), "passages": 1}

    @app.get("/api/v1/documents/{document_id:path}")
    async def document(document_id: str, collection: str) -> Any:
        if document_id not in held.documents.get(collection, {}):
            raise DocumentNotFound(f"no document {document_id}")
        text = LONG if document_id == "largo" else HIT["text"]
        return {"id": document_id, "title": "Modelos", "source": "x.md", "text": text, "passages": []}

    @app.get("/api/v1/ingest/jobs/{job_id}")
    async def job(job_id: str) -> Any:
        if job_id != "job-1":
            raise NotFound(f"no job {job_id}")
        return {"id": job_id, "state": "running", "total": 9, "done": 4, "failed": [], "reason": ""}


def build_api() -> FastAPI:
    """`state.asked` are the questions, `state.sources` the addresses, `state.left` those left unanswered."""
    app = FastAPI()
    app.state.asked, app.state.sources, app.state.left = [], [], Queue[str]()

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Any:
        body = await request.json()
        app.state.asked.append(body)
        return StreamingResponse(_events(app, request, body), media_type="text/event-stream")

    @app.get("/v1/models")
    async def models() -> Any:
        return {"data": MODELS}

    @app.post("/v1/sources", status_code=201)
    async def add(request: Request) -> Any:
        body = await request.json()
        if body["name"] in app.state.sources:
            return JSONResponse({"error": {"message": "taken", "code": "conflict"}}, 409)
        app.state.sources.append(body["name"])
        return {"source": body, "run": {"id": "run-1", "name": "a", "state": "SCHEDULED"}}

    @app.post("/v1/sources/{name}/sync", status_code=202)
    async def sync(name: str) -> Any:
        return {"id": "run-2", "name": name, "state": "SCHEDULED"}

    @app.get("/api/runs/{run_id}")
    async def run(run_id: str) -> Any:
        if not run_id.startswith("run-"):
            return JSONResponse({"error": {"message": "not a UUID", "code": "invalid_value"}}, 400)
        return {"id": run_id, "name": "a", "state": "COMPLETED", "message": ""}

    @app.get("/health/live")
    async def live() -> Any:
        return {"status": "ok"}

    return app


async def _events(app: FastAPI, request: Request, body: dict[str, Any]) -> AsyncIterator[str]:
    question = body["messages"][-1]["content"]
    steps: list[dict[str, Any]] = [{"event": "routed"}, {"event": "retrieved"}]
    for step in steps:
        yield _line(step)
    if question == "espera":
        try:
            while not await request.is_disconnected():
                yield _line({"event": "progress"})
        finally:
            app.state.left.put(question)
        return
    yield _line({"event": "token", "text": "Tres modelos [1]."})
    yield _line({"event": "done", "answer": ANSWER})
    yield "data: [DONE]\n\n"


def _line(event: dict[str, Any]) -> str:
    return f"data: {json.dumps({'choices': [], 'capibara6': event})}\n\n"
