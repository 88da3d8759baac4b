"""`/api/save-lead` and `/api/save-conversation`: a row at once, one run a content, errors in shape."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from servers.api.http import submissions
from servers.web.app import create_app
from tests.conftest import free_ports
from tests.serving import serving
from tools.clients import prefect as client
from tools.clients.bridge import open_bridge
from tools.errors import StoreUnavailable
from tools.sections import Ports
from tools.settings import Settings

LEAD = {"email": "ana@example.org", "name": "Ana", "message": "Quiero una demostración."}
TALK = {"messages": [{"role": "user", "content": "Hola"}, {"role": "assistant", "content": "Hola."}]}


@pytest.fixture
def kept(prefect: Settings) -> Iterator[dict[str, dict[str, Any]]]:
    """A bridge that keeps rows by kind and id; a lead called `away` finds PostgreSQL away."""
    rows: dict[str, dict[str, Any]] = {"leads": {}, "conversations": {}}
    app = FastAPI()

    @app.post("/api/v1/{kind}", response_model=None)
    async def save(kind: str, request: Request) -> dict[str, Any] | JSONResponse:
        body = await request.json()
        if body.get("name") == "away":
            return JSONResponse(StoreUnavailable("postgres is away", source="postgres").envelope(), 503)
        key = body.get("id") or f"{body['email']}-{len(body['message'])}"
        rows[kind][key] = body
        return {"id": key, "stored": True}

    with serving(app, prefect.ports.bridge):
        yield rows


@asynccontextmanager
async def client_of(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the routes behind the middleware of every service."""

    async def checks() -> dict[str, Any]:
        return {"status": "ok"}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = create_app("api", settings, lifespan=lifespan, checks=checks)
    app.include_router(submissions.router)
    async with open_bridge(settings) as bridge:
        app.state.services = SimpleNamespace(settings=settings, clients=SimpleNamespace(bridge=bridge))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client


@pytest.mark.parametrize(
    ("path", "body", "kind"), [("save-lead", LEAD, "leads"), ("save-conversation", TALK, "conversations")]
)
async def test_it_is_kept_before_the_answer_and_worked_on_once(
    paused: Settings, kept: dict[str, dict[str, Any]], path: str, body: dict[str, Any], kind: str
) -> None:
    async with client_of(paused) as client:
        first = await client.post(f"/api/{path}", json=body)
        again = await client.post(f"/api/{path}", json=body)
    assert first.status_code == again.status_code == 202
    assert first.json()["run_id"] == again.json()["run_id"]
    assert list(kept[kind]) == [first.json()["id"]]
    assert re.fullmatch(r"/api/runs/[0-9a-f-]{36}", first.json()["status_url"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("save-lead", {**LEAD, "email": "nobody"}),
        ("save-lead", {**LEAD, "extra": 1}),
        ("save-lead", {**LEAD, "email": "ana,eva@example.org"}),
        ("save-lead", {**LEAD, "language": "de"}),
        ("save-conversation", {**TALK, "email": "ana@example.org"}),
        ("save-lead", {**LEAD, "message": "x" * 10_001}),
        ("save-lead", {**LEAD, "name": "a\0b"}),
        ("save-conversation", {"messages": []}),
        ("save-conversation", {**TALK, "thread_id": "../x"}),
        ("save-conversation", {"messages": [{"role": "user"}]}),
    ],
)
async def test_what_is_not_right_is_refused_and_not_kept(
    paused: Settings, kept: dict[str, dict[str, Any]], path: str, body: dict[str, Any]
) -> None:
    async with client_of(paused) as client:
        response = await client.post(f"/api/{path}", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_value"
    assert kept == {"leads": {}, "conversations": {}}


async def test_without_prefect_it_is_kept_and_the_answer_is_a_503_in_shape(
    prefect: Settings, kept: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "BUSY_WAITS", (0.0,))
    [nobody] = free_ports(1)
    ports = Ports(**{**prefect.ports.model_dump(), "prefect": nobody})
    async with client_of(prefect.model_copy(update={"ports": ports})) as web:
        response = await web.post("/api/save-lead", json=LEAD)
    assert response.status_code == 503
    assert (response.json()["error"]["source"], response.headers["retry-after"]) == ("prefect", "1")
    assert len(kept["leads"]) == 1, "asking again is harmless"


async def test_without_the_store_nothing_is_started(
    paused: Settings, kept: dict[str, dict[str, Any]]
) -> None:
    async with client_of(paused) as client:
        response = await client.post("/api/save-lead", json={**LEAD, "name": "away"})
    assert (response.status_code, response.json()["error"]["code"]) == (503, "store_unavailable")
