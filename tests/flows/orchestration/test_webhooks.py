"""Webhooks of the API: who may start what, once, and how a run is followed."""

import hashlib
import hmac
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.middleware.base import RequestResponseEndpoint

from servers.api.http import webhooks
from servers.web.app import error_response
from tools.access.identity import LOCAL
from tools.errors import Capibara6Error
from tools.schema import JsonObject
from tools.sections import Ingest, Webhooks
from tools.settings import Settings

JSON = {"content-type": "application/json"}


def build(settings: Settings) -> httpx.AsyncClient:
    app = FastAPI()
    app.state.services = SimpleNamespace(settings=settings)
    app.include_router(webhooks.router)

    @app.middleware("http")
    async def known(request: Request, call_next: RequestResponseEndpoint):
        request.state.principal = LOCAL
        return await call_next(request)

    @app.exception_handler(Capibara6Error)
    async def ours(_: object, exc: Capibara6Error):
        return error_response(exc)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api")


def sign(body: bytes, *, secret: str = "s3cret", key: str = "", late_s: float = 0, to: str = "health"):
    """Headers that sign a request of now, or of a while ago."""
    moment = str(int(time.time() - late_s))
    said = f"{moment}.{to}.{key}.".encode() + body
    signature = "sha256=" + hmac.new(secret.encode(), said, hashlib.sha256).hexdigest()
    headers = {**JSON, "x-capibara6-timestamp": moment, "x-capibara6-signature": signature}
    return {**headers, "idempotency-key": key} if key else headers


async def test_a_webhook_starts_one_run_a_key_and_it_can_be_followed(paused: Settings) -> None:
    request = {"json": {"services": [], "question": ""}, "headers": {"idempotency-key": "k"}}
    async with build(paused) as client:
        first = await client.post("/webhook/health", **request)
        again = await client.post("/webhook/health", **request)
        assert (first.status_code, first.json()["run_id"]) == (202, again.json()["run_id"])
        run = (await client.get(first.json()["status_url"])).json()
    assert run["state"] == "SCHEDULED"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/webhook/restore", b"{}", 403),
        ("/webhook/health", b"{", 400),
        ("/webhook/health", b"[]", 400),
        ("/webhook/health", b'{"unknown": 1}', 400),
        ("/webhook/health", b"[" * 100_000, 400),
    ],
)
async def test_what_may_not_start_is_4xx(paused: Settings, path: str, body: bytes, status: int) -> None:
    async with build(paused) as client:
        response = await client.post(path, content=body, headers=JSON)
    assert response.status_code == status
    assert response.json()["error"]["message"]


def guarded(settings: Settings) -> Settings:
    wanted = Webhooks.model_validate({"secret": "s3cret", "deployments": ["health", "nothing"]})
    return settings.model_copy(update={"webhooks": wanted})


@pytest.mark.parametrize(
    ("how", "changed"),
    [
        ({}, {"x-capibara6-signature": ""}),
        ({}, {"x-capibara6-signature": "ñ"}),
        ({}, {"x-capibara6-timestamp": "9" * 5_000}),
        ({}, {"x-capibara6-timestamp": "²"}),
        ({}, {"x-capibara6-timestamp": "-1"}),
        ({}, {"x-capibara6-timestamp": ""}),
        ({"secret": "other"}, {}),
        ({"to": "nothing"}, {}),
        ({"key": "a"}, {"idempotency-key": "b"}),
        ({"late_s": 31_536_000}, {}),
        ({"late_s": -31_536_000}, {}),
    ],
)
async def test_with_a_secret_what_is_not_signed_as_it_is_sent_is_401(
    prefect: Settings, how: dict[str, Any], changed: dict[str, str]
) -> None:
    headers = {name.encode(): value.encode() for name, value in (sign(b"{}", **how) | changed).items()}
    async with build(guarded(prefect)) as client:
        response = await client.post("/webhook/health", content=b"{}", headers=headers)
    assert response.status_code == 401
    assert response.json()["error"]["message"]


async def test_a_signature_of_another_body_is_401(prefect: Settings) -> None:
    async with build(guarded(prefect)) as client:
        response = await client.post("/webhook/health", content=b"{}", headers=sign(b"{ }"))
    assert response.status_code == 401


async def test_who_records_a_signed_request_can_only_ask_for_the_same_run(paused: Settings) -> None:
    body = b'{"services": [], "question": ""}'
    async with build(guarded(paused)) as client:
        headers = sign(body)
        first = await client.post("/webhook/health", content=body, headers=headers)
        replayed = await client.post("/webhook/health", content=body, headers=headers)
        other = sign(body, to="nothing")
        missing = await client.post("/webhook/nothing", content=body, headers=other)
    assert (first.status_code, replayed.json()["run_id"]) == (202, first.json()["run_id"])
    assert missing.status_code == 404, "signed, allowed, but there is no such deployment"


async def test_a_run_that_is_not_there_is_404(prefect: Settings) -> None:
    async with build(prefect) as client:
        missing = await client.get("/api/runs/00000000-0000-0000-0000-000000000000")
        assert missing.status_code == 404
        assert (await client.get("/api/runs/x")).status_code == 422


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data", "application/json-p", "x"],
)
async def test_a_body_that_does_not_say_it_is_json_is_415(settings: Settings, kind: str) -> None:
    async with build(settings) as client:
        response = await client.post("/webhook/health", content=b"{}", headers={"content-type": kind})
    assert response.status_code == 415
    assert response.json()["error"]["code"] == "unsupported_media_type"


OUTSIDE = (
    "{root}/../outside.md",
    "{root}/link.md",
    "{root}/linked/outside.md",
    "{root}/linked/*.md",
    "{root}/*/../../outside.md",
    "{root}-beside/page.md",
    "{outside}",
    "~/outside.md",
    "~nobody-of-this-name/x",
    "outside.md",
    "/",
    "",
    "file://{outside}",
    "HTTPS:/{outside}",
    "{root}/a\0.md",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder `served` with a page and with links to its neighbour `outside.md`."""
    root = tmp_path / "served"
    root.mkdir()
    (root / "page.md").write_text("# Page")
    (tmp_path / "outside.md").write_text("# Outside")
    (tmp_path / "served-beside").mkdir()
    (root / "link.md").symlink_to(tmp_path / "outside.md")
    (root / "linked").symlink_to(tmp_path)
    return root


@pytest.mark.parametrize("source", OUTSIDE)
async def test_over_http_no_file_outside_the_roots_is_ingested(
    settings: Settings, root: Path, source: str
) -> None:
    named = source.format(root=root, outside=root.parent / "outside.md")
    rooted = settings.model_copy(update={"ingest": Ingest(roots=(root,))})
    async with build(rooted) as client:
        response = await client.post("/webhook/ingest", json={"sources": [str(root / "page.md"), named]})
    assert response.status_code == 403
    assert "CAPIBARA6_INGEST__ROOTS" in response.json()["error"]["message"]


async def test_without_roots_no_file_at_all_is_ingested_over_http(settings: Settings, root: Path) -> None:
    async with build(settings) as client:
        for source in (root, root / "page.md", settings.knowledge.absolute()):
            response = await client.post("/webhook/ingest", json={"sources": [str(source)]})
            assert response.status_code == 403
        for evaluated in ("/etc/passwd", str(root)):
            evaluating = Webhooks(deployments=("evaluate",))
            async with build(settings.model_copy(update={"webhooks": evaluating})) as other:
                response = await other.post("/webhook/evaluate", json={"questions": evaluated})
            assert response.status_code == 403


@pytest.mark.parametrize(
    "parameters", [{"sources": "/etc"}, {"sources": [7]}, {"sources": {}}, {"within": ["/"]}]
)
async def test_a_caller_sets_no_bound_and_sends_no_other_shape(
    settings: Settings, parameters: JsonObject
) -> None:
    async with build(settings) as client:
        response = await client.post("/webhook/ingest", json=parameters)
    assert response.status_code == 400
    assert response.json()["error"]["param"] in ("sources", "within")


async def test_what_lies_below_a_root_starts_with_the_bound_that_the_flow_keeps(
    paused: Settings, root: Path
) -> None:
    rooted = paused.model_copy(update={"ingest": Ingest(roots=(root,))})
    sources = [
        str(root),
        str(root / "*.md"),
        str(root / "page.md"),
        "https://www.example.org/",
        "s3://bucket/x",
    ]
    async with build(rooted) as client:
        started = await client.post("/webhook/ingest", json={"sources": sources})
        assert started.status_code == 202, started.text
        run = (await client.get(started.json()["status_url"])).json()
    assert run["parameters"]["within"] == [str(root)]
    assert run["parameters"]["sources"] == sources
