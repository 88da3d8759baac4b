"""A small bridge that holds documents in memory and finds those that share a word with a query."""

import time
from dataclasses import dataclass, field

from fastapi import FastAPI

from servers.web.app import add_error_handlers
from tools.errors import CollectionNotFound, DocumentNotFound
from tools.schema import JsonObject

TEXTS = {
    "es/modelos.md": ("Modelos y enrutado", "El servidor tiene como máximo tres modelos cargados a la vez."),
    "es/busqueda.md": ("Búsqueda híbrida", "La búsqueda híbrida une vectores, palabras y el grafo."),
    "en/operations.md": ("Operations guide", "A model is unloaded after 300 s without requests."),
}


@dataclass
class BridgeState:
    """Documents by collection and id."""

    held: dict[str, dict[str, JsonObject]] = field(default_factory=dict)

    def add(self, collection: str, id: str, title: str, text: str) -> None:
        self.held.setdefault(collection, {})[id] = {
            "id": id,
            "title": title,
            "source": id,
            "language": id[:2] if id[2:3] == "/" else "es",
            "chunks": 1,
            "metadata": {},
            "content_hash": "",
            "extractors": [],
            "updated_at": "2026-12-01T09:30:00+00:00",
            "text": text,
        }


def sample() -> BridgeState:
    state = BridgeState()
    for id, (title, text) in TEXTS.items():
        state.add("capibara6", id, title, text)
    state.add("contratos", "es/contrato.md", "Contrato de mantenimiento", "El contrato dura doce meses.")
    return state


def build_bridge(state: BridgeState) -> FastAPI:
    app = FastAPI()
    add_error_handlers(app, "bridge")

    @app.get("/health")
    async def health() -> JsonObject:
        return {"status": "ok", "version": "0.1.0"}

    @app.get("/api/v1/collections")
    async def collections() -> JsonObject:
        return {"collections": [about(state, name) for name in state.held]}

    @app.post("/api/v1/collections", status_code=201)
    async def create(body: JsonObject) -> JsonObject:
        state.held.setdefault(body["name"], {})
        return about(state, body["name"])

    @app.get("/api/v1/documents")
    async def documents(collection: str, limit: int = 1_000, offset: int = 0) -> JsonObject:
        held = of(state, collection)
        return {"documents": [held[id] for id in sorted(held)][offset : offset + limit]}

    @app.post("/api/v1/documents")
    async def ingest(body: JsonObject) -> JsonObject:
        for one in body["documents"]:
            state.add(body["collection"], one["id"], one["title"], one["text"])
        return {"accepted": len(body["documents"]), "passages": 1}

    @app.delete("/api/v1/documents/{document_id:path}")
    async def delete(document_id: str, collection: str) -> JsonObject:
        if of(state, collection).pop(document_id, None) is None:
            raise DocumentNotFound(f"there is no document {document_id}", source="bridge")
        return {}

    @app.post("/api/v1/rag/hybrid-search")
    async def search(body: JsonObject) -> JsonObject:
        began, words = time.perf_counter(), set(body["query"].lower().split())
        found = [one for one in of(state, body["collection"]).values() if words & words_of(one)]
        hits = [hit(one, rank) for rank, one in enumerate(found, 1)]
        return {"results": hits, "took_ms": (time.perf_counter() - began) * 1000}

    return app


def words_of(document: JsonObject) -> set[str]:
    return {word.strip(".,") for word in document["text"].lower().split()}


def hit(document: JsonObject, rank: int) -> JsonObject:
    legs = {
        "dense": {"rank": rank, "score": round(0.9 / rank, 3)},
        "text": {"rank": rank, "score": round(7.5 / rank, 2)},
        "graph": {"rank": rank, "score": 0.4, "words": f"«{document['title']}» — menciona → «modelos»"},
    }
    return {
        "id": f"{document['id']}#0",
        "document_id": document["id"],
        "score": round(0.9 / rank, 2),
        "legs": legs,
        **{name: document[name] for name in ("title", "source", "text")},
    }


def about(state: BridgeState, name: str) -> JsonObject:
    count = len(state.held[name])
    return {
        "name": name, "embedder": "minilm", "dimensions": 384, "languages": ["es", "en"], "version": 1,
        "documents": count, "chunks": count, "owner": "ana",
    }  # fmt: skip


def of(state: BridgeState, name: str) -> dict[str, JsonObject]:
    if name not in state.held:
        raise CollectionNotFound(f"there is no collection {name}", source="bridge")
    return state.held[name]
