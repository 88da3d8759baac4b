"""Webhooks: another program starts a Prefect deployment by name and follows its run.

The API key is the door's business; here a signature is checked when a secret is set. What is signed says
when, which deployment and which key: who records a request can only ask for the same run again.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request

from tools.clients.prefect import Run, open_prefect
from tools.errors import BadRequest, Forbidden, Unauthorized
from tools.sections import Webhooks
from tools.settings import Settings

router = APIRouter(tags=["webhooks"])
FRESH_S = 300.0


@router.post("/webhook/{deployment}", status_code=202)
async def start(deployment: str, request: Request) -> dict[str, Any]:
    """Start a run; the JSON body is its parameters. The same `idempotency-key` answers with the same run.

    With `CAPIBARA6_WEBHOOKS__SECRET`, the header `x-capibara6-timestamp` holds the seconds since 1970, five
    minutes off at most, and `x-capibara6-signature` is `sha256=` and the hexadecimal HMAC-SHA256, with the
    secret, of `timestamp.deployment.key.body`; `key` is the `idempotency-key`, or nothing.
    """
    settings: Settings = request.app.state.desk.settings
    body = await request.body()
    given = request.headers.get("idempotency-key", "")
    signature = _admit(settings.webhooks, deployment, given, body, request.headers)
    parameters = _parameters(body)
    once = hashlib.sha256(given.encode()).hexdigest() if given else signature
    key = f"webhook:{deployment}:{once}" if once else None
    async with open_prefect(settings) as prefect:
        run = await prefect.start(deployment, parameters, idempotency_key=key, tags=["webhook"])
    return {"run_id": run.id, "state": run.state, "status_url": f"/api/runs/{run.id}"}


@router.get("/api/runs/{run_id}")
async def follow(run_id: UUID, request: Request) -> Run:
    """How far a run is; `final` states are COMPLETED, FAILED, CRASHED and CANCELLED."""
    async with open_prefect(request.app.state.desk.settings) as prefect:
        return await prefect.run(str(run_id))


def _admit(webhooks: Webhooks, deployment: str, key: str, body: bytes, headers: Mapping[str, str]) -> str:
    """The signature, empty when none is asked for. Raises `Unauthorized` and `Forbidden`."""
    signature = ""
    if webhooks.secret is not None:
        moment = headers.get("x-capibara6-timestamp", "")
        if not (moment.isascii() and moment.isdigit() and abs(time.time() - int(moment[:12])) <= FRESH_S):
            why = "x-capibara6-timestamp is missing or more than five minutes away"
            raise Unauthorized(why, source="api")
        signature = signed(webhooks.secret.get_secret_value(), moment, deployment, key, body)
        if not hmac.compare_digest(signature.encode(), headers.get("x-capibara6-signature", "").encode()):
            why = "x-capibara6-signature does not sign timestamp.deployment.idempotency-key.body"
            raise Unauthorized(why, source="api")
    if deployment not in webhooks.deployments:
        raise Forbidden(f"{deployment} can not be started by a webhook", param="deployment", source="api")
    return signature


def signed(secret: str, moment: str, deployment: str, key: str, body: bytes) -> str:
    """The signature of a request. Pure."""
    said = f"{moment}.{deployment}.{key}.".encode() + body
    return f"sha256={hmac.new(secret.encode(), said, hashlib.sha256).hexdigest()}"


def _parameters(body: bytes) -> dict[str, Any]:
    try:
        parameters = json.loads(body or b"{}")
    except (ValueError, RecursionError) as exc:
        raise BadRequest("the body is not JSON", source="api", code="malformed_json") from exc
    if not isinstance(parameters, dict):
        raise BadRequest("the body is an object with the flow's parameters", source="api")
    return parameters
