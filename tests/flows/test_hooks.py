"""Webhooks of the API: who may start what, once, and how a run is followed."""

import hashlib
import hmac
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI

from servers.api import hooks
from servers.app import answer
from tools.errors import Capibara6Error
from tools.sections import Webhooks
from tools.settings import Settings


def build(settings: Settings) -> httpx.AsyncClient:
    app = FastAPI()
    app.state.desk = SimpleNamespace(settings=settings)
    app.include_router(hooks.router)

    @app.exception_handler(Capibara6Error)
    async def ours(_: object, exc: Capibara6Error):
        return answer(exc)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api")


def signed(secret: bytes, body: bytes) -> dict[str, str]:
    return {"x-capibara6-signature": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()}


async def test_a_webhook_starts_one_run_a_key_and_it_can_be_followed(deployed: Settings) -> None:
    request = {"json": {"services": [], "question": ""}, "headers": {"idempotency-key": "k"}}
    async with build(deployed) as client:
        first = await client.post("/webhook/health", **request)
        again = await client.post("/webhook/health", **request)
        assert (first.status_code, first.json()["run_id"]) == (202, again.json()["run_id"])
        run = (await client.get(first.json()["status_url"])).json()
    assert run["state"] in ("SCHEDULED", "PENDING", "RUNNING", "COMPLETED")


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
async def test_what_may_not_start_is_4xx(deployed: Settings, path: str, body: bytes, status: int) -> None:
    async with build(deployed) as client:
        response = await client.post(path, content=body)
    assert response.status_code == status
    assert response.json()["error"]["message"]


async def test_with_a_secret_the_body_must_be_signed(prefect: Settings) -> None:
    webhooks = Webhooks.model_validate({"secret": "s3cret", "deployments": ["nothing"]})
    settings = prefect.model_copy(update={"webhooks": webhooks})
    async with build(settings) as client:
        for headers in (
            {},
            signed(b"other", b"{}"),
            signed(b"s3cret", b"{ }"),
            {"x-capibara6-signature": "ñ"},
        ):
            encoded = {name: value.encode() for name, value in headers.items()}
            assert (await client.post("/webhook/nothing", content=b"{}", headers=encoded)).status_code == 401
        good = await client.post("/webhook/nothing", content=b"{}", headers=signed(b"s3cret", b"{}"))
    assert good.status_code == 404, "signed, allowed, but there is no such deployment"


async def test_a_run_that_is_not_there_is_404(prefect: Settings) -> None:
    async with build(prefect) as client:
        missing = await client.get("/api/runs/00000000-0000-0000-0000-000000000000")
        assert missing.status_code == 404
        assert (await client.get("/api/runs/x")).status_code == 422
