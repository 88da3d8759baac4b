"""A fake bridge: a small real server that speaks the documents' wire and keeps them in a dictionary."""

import asyncio
import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse

from tools.errors import (
    BadRequest,
    Capibara6Error,
    DocumentChanged,
    DocumentNotFound,
    StoreUnavailable,
)
from tools.schema import Extraction


@dataclass
class FakeBridge:
    """A bridge that keeps documents in a dictionary. `away` requests fail; `refused` ids never enter.

    `requests` are the documents of each write, `listings` the rows of each listing, `comparisons` the files
    of each question for differences. No write ends before `meet` of them have been under way together.
    """

    collections: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    away: int = 0
    refused: set[str] = field(default_factory=set)
    requests: list[int] = field(default_factory=list)
    listings: list[int] = field(default_factory=list)
    comparisons: list[int] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    busy: int = 0
    most_busy: int = 0
    wait_s: float = 0.0
    meet: int = 0
    loop: asyncio.AbstractEventLoop | None = None
    met: asyncio.Event = field(default_factory=asyncio.Event)
    vanishing: set[str] = field(default_factory=set)
    graphs: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: int = 0
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    """What each write showed as its bearer token."""
    job_tokens: list[str] = field(default_factory=list)
    """The same of each question for jobs."""

    def put(self, collection: str, document: dict[str, Any]) -> bool:
        """True when it changed something."""
        held = self.collections.setdefault(collection, {})
        origin = document.pop("origin", None)
        if isinstance(origin, dict):
            names = {"source_uri": "source_uri", "hash": "origin_hash", "reader": "reader", "documents": "of"}
            document |= {"origin": origin["id"], **{to: origin[name] for name, to in names.items()}}
        if document["id"] in held and held[document["id"]]["text"] == document["text"]:
            held[document["id"]] |= document
            return False
        self.writes += 1
        held[document["id"]] = {**document, "updated_at": f"2026-11-22T00:00:{self.writes:09}"}
        return True

    def take(self, collection: str, documents: list[dict[str, Any]]) -> dict[str, Any]:
        """Write documents; what came of them, as the bridge reports it."""
        held = self.collections.setdefault(collection, {})
        report: dict[str, Any] = {"added": [], "changed": [], "moved": {}, "failed": []}
        for document in documents:
            key, former = document["id"], held.get(document.pop("formerly", None) or "")
            known = key in held
            same_file = former and former.get("origin_hash") == document["origin"]["hash"]
            if not self.put(collection, document):
                continue
            if known:
                report["changed"].append(key)
            elif former and (same_file or former["text"] == document["text"]):
                held[key]["former_ids"] = [former["id"]]
                report["moved"][key] = held.pop(former["id"])["id"]
            else:
                report["added"].append(key)
        written = len(report["added"]) + len(report["changed"]) + len(report["moved"])
        counts = {"accepted": written, "passages": written, "unchanged": len(documents) - written}
        return {**report, **counts}

    def view(self, document: dict[str, Any]) -> dict[str, Any]:
        """A document as the bridge shows it, in one passage."""
        found = self.graphs.get(document["id"])
        known = [found["extractor"]] if found and found["content_hash"] == _hash(document) else []
        passage = {"id": f"{document['id']}-0", "text": document["text"], "heading": "", "position": 0}
        return {**document, "content_hash": _hash(document), "extractors": known, "passages": [passage]}

    async def hold(self) -> None:
        """Take as long as a write is told to take."""
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        self.loop = asyncio.get_running_loop()
        if self.most_busy >= self.meet:
            self.met.set()
        async with asyncio.timeout(120):
            await self.met.wait()
        await asyncio.sleep(self.wait_s)
        self.busy -= 1

    def block(self) -> None:
        """Let no write end before `release`."""
        self.met.clear()
        self.meet = 1_000

    def release(self) -> None:
        """Let every write go on, from any thread."""
        self.meet = 0
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.met.set)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.exception_handler(Capibara6Error)
        async def ours(_: Request, exc: Capibara6Error) -> JSONResponse:
            return JSONResponse(exc.envelope(), exc.status)

        self._documents(app)
        self._one_document(app)

        @app.get("/health")
        async def health() -> dict[str, Any]:
            return {"status": "ok"}

        @app.get("/api/v1/ingest/jobs")
        async def jobs(request: Request) -> dict[str, Any]:
            self.job_tokens.append(_token(request))
            return {"jobs": list(self.jobs.values())}

        @app.delete("/api/v1/ingest/jobs/{job_id}")
        async def cancel_job(job_id: str) -> dict[str, Any]:
            self.jobs[job_id]["state"] = "cancelled"
            return self.jobs[job_id]

        @app.get("/health/detailed")
        async def detailed() -> dict[str, Any]:
            return {"postgres": {"status": "connected", "host": "here", "latency_ms": 0.4}}

        return app

    def _documents(self, app: FastAPI) -> None:
        @app.post("/api/v1/documents")
        async def write(request: Request) -> dict[str, Any]:
            body = await request.json()
            self.tokens.append(_token(request))
            self.requests.append(len(body["documents"]))
            self.written.append(body["collection"])
            await self.hold()
            if self.away:
                self.away -= 1
                raise StoreUnavailable("postgres is away", source="postgres")
            if any(document["id"] in self.refused for document in body["documents"]):
                raise BadRequest("poison", param="documents")
            return self.take(body["collection"], body["documents"])

        @app.post("/api/v1/documents/differences")
        async def differences(request: Request) -> dict[str, Any]:
            body = await request.json()
            self.comparisons.append(len(body["documents"]))
            rows = list(self.collections.get(body["collection"], {}).values())
            by_file, by_hash = _grouped(rows, "origin"), _grouped(rows, "origin_hash")
            known = [(item, by_file[item["id"]], by_hash[item["hash"]]) for item in body["documents"]]
            return {"documents": [_difference(*given, body["reader"]) for given in known]}

        @app.get("/api/v1/documents")
        async def documents(
            collection: str,
            limit: int,
            offset: int,
            id: Annotated[list[str] | None, Query()] = None,
            prefix: Annotated[list[str] | None, Query()] = None,
            source: Annotated[list[str] | None, Query()] = None,
        ) -> dict[str, Any]:
            held = [
                item
                for _, item in sorted(self.collections.get(collection, {}).items())
                if (id is None or item["id"] in id)
                and (prefix is None or _begins(item, tuple(prefix)))
                and (source is None or item.get("source_uri") in source)
            ]
            rows = [self.view(item) for item in held[offset : offset + limit]]
            self.listings.append(len(rows))
            return {"documents": rows, "total": len(held)}

    def _one_document(self, app: FastAPI) -> None:
        @app.get("/api/v1/documents/{document_id:path}")
        async def document(document_id: str, collection: str) -> dict[str, Any]:
            if document_id not in self.collections.get(collection, {}) or document_id in self.vanishing:
                raise DocumentNotFound(document_id)
            return self.view(self.collections[collection][document_id])

        @app.put("/api/v1/documents/{document_id:path}/graph")
        async def graph(document_id: str, collection: str, request: Request) -> dict[str, Any]:
            found = Extraction.model_validate(await request.json())
            if found.content_hash != _hash(self.collections[collection][document_id]):
                raise DocumentChanged(document_id)
            self.graphs[document_id] = found.model_dump()
            return {"changed": True}

        @app.post("/api/v1/embeddings")
        async def embed(request: Request) -> dict[str, Any]:
            asked = await request.json()
            shared = 0.0 if asked.get("input_type") == "query" else 1.0  # as the ensemble's passages
            rows = [[1.0, 0.0, shared] if "tres" in text else [0.0, 1.0, shared] for text in asked["texts"]]
            return {"vectors": rows}

        @app.delete("/api/v1/documents/{document_id:path}")
        async def delete(document_id: str, collection: str) -> dict[str, Any]:
            if self.collections.get(collection, {}).pop(document_id, None) is None:
                raise DocumentNotFound(document_id)
            return {"deleted": True}


def _begins(document: dict[str, Any], prefixes: tuple[str, ...]) -> bool:
    origin = document.get("origin") or document.get("metadata", {}).get("origin", "")
    return document["id"].startswith(prefixes) or origin.startswith(prefixes)


def _grouped(rows: list[dict[str, Any]], name: str) -> dict[str, list[dict[str, Any]]]:
    found = defaultdict[str, list[dict[str, Any]]](list)
    for row in rows:
        found[row.get(name, "")].append(row)
    return found


def _difference(
    asked: dict[str, str], held: list[dict[str, Any]], twins: list[dict[str, Any]], reader: str
) -> dict[str, Any]:
    kept = {row["origin_hash"] for row in held if (row["reader"], row["of"]) == (reader, len(held))}
    whole = len(kept) == 1 and all((row["reader"], row["of"]) == (reader, len(held)) for row in held)
    own = kept.pop() if whole else ""
    same = own and own == asked["hash"]
    elsewhere = sorted({row["origin"] for row in twins})
    status = "same" if same else "changed" if held else "new"
    ids = [row["id"] for row in held]
    found = {"id": asked["id"], "status": status, "documents": ids, "hash": own}
    return {**found, "elsewhere": [] if held or not asked["hash"] else elsewhere}


def _token(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def _hash(document: dict[str, Any]) -> str:
    return hashlib.sha256(document["text"].encode()).hexdigest()
