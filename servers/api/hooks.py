"""Webhooks: another program starts a Prefect deployment by name and follows its run.

The API key is the door's business; here a signature over the body is checked when a secret is set.
"""

import hashlib
import hmac
import json
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request

from tools.clients.prefect import Run, open_prefect
from tools.errors import BadRequest, Forbidden, Unauthorized
from tools.sections import Webhooks
from tools.settings import Settings

router = APIRouter(tags=["webhooks"])


@router.post("/webhook/{deployment}", status_code=202)
async def start(deployment: str, request: Request) -> dict[str, Any]:
    """Start a run; the JSON body is its parameters. The same `idempotency-key` answers with the same run."""
    settings: Settings = request.app.state.desk.settings
    body = await request.body()
    _admit(settings.webhooks, deployment, body, request.headers.get("x-capibara6-signature", ""))
    parameters = _parameters(body)
    given = request.headers.get("idempotency-key")
    key = f"webhook:{deployment}:{given[:200]}" if given else None
    async with open_prefect(settings) as prefect:
        run = await prefect.start(deployment, parameters, idempotency_key=key, tags=["webhook"])
    return {"run_id": run.id, "state": run.state, "status_url": f"/api/runs/{run.id}"}


@router.get("/api/runs/{run_id}")
async def follow(run_id: UUID, request: Request) -> Run:
    """How far a run is; `final` states are COMPLETED, FAILED, CRASHED and CANCELLED."""
    async with open_prefect(request.app.state.desk.settings) as prefect:
        return await prefect.run(str(run_id))


def _admit(webhooks: Webhooks, deployment: str, body: bytes, signature: str) -> None:
    if webhooks.secret is not None:
        secret = webhooks.secret.get_secret_value().encode()
        wanted = f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"
        if not hmac.compare_digest(wanted.encode(), signature.encode()):
            raise Unauthorized("x-capibara6-signature does not sign this body", source="api")
    if deployment not in webhooks.deployments:
        raise Forbidden(f"{deployment} can not be started by a webhook", param="deployment", source="api")


def _parameters(body: bytes) -> dict[str, Any]:
    try:
        parameters = json.loads(body or b"{}")
    except (ValueError, RecursionError) as exc:
        raise BadRequest("the body is not JSON", source="api", code="malformed_json") from exc
    if not isinstance(parameters, dict):
        raise BadRequest("the body is an object with the flow's parameters", source="api")
    return parameters
