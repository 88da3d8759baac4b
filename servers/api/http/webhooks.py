"""Webhooks: another program starts a Prefect deployment by name and follows its run.

Who asks, and that they may operate, is known before (`servers/web/access.py`); here a signature is checked,
when a secret is set. It covers
time, deployment and idempotency key: a request that somebody recorded can only ask for the same run again.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter, Request

from servers.api.http import flow_runs
from servers.api.http.dependencies import CallerDep, ServicesDep
from servers.api.http.local_sources import bounded
from tools.clients.prefect import Run
from tools.errors import BadRequest, Forbidden, Unauthorized, UnsupportedMediaType
from tools.schema import JsonObject
from tools.sections import Webhooks

router = APIRouter(tags=["webhooks"])
TIMESTAMP_TOLERANCE_S = 300.0


@router.post("/webhook/{deployment}", status_code=202)
async def start(deployment: str, request: Request, services: ServicesDep, caller: CallerDep) -> JsonObject:
    """Start a run; the JSON body is its parameters. The same `idempotency-key` answers with the same run.

    `ingest` reads files of the machine only below `CAPIBARA6_INGEST__ROOTS`, which is empty by default.

    With `CAPIBARA6_WEBHOOKS__SECRET`, the header `x-capibara6-timestamp` holds the seconds since 1970, five
    minutes off at most, and `x-capibara6-signature` is `sha256=` and the hexadecimal HMAC-SHA256, with the
    secret, of `timestamp.deployment.key.body`; `key` is the `idempotency-key`, or nothing.
    """
    body = await request.body()
    _require_json(body, request.headers)
    given = request.headers.get("idempotency-key", "")
    signature = _authorize(services.settings.webhooks, deployment, given, body, request.headers)
    parameters = bounded(deployment, _parameters(body), services.settings.ingest)
    once = hashlib.sha256(given.encode()).hexdigest() if given else signature
    key = f"webhook:{deployment}:{once}" if once else None
    run = await flow_runs.start(services, caller, deployment, parameters, key=key, tags=["webhook"])
    return {"run_id": run.id, "state": run.state, "status_url": f"/api/runs/{run.id}"}


@router.get("/api/runs/{run_id}")
async def follow(run_id: UUID, services: ServicesDep, caller: CallerDep) -> Run:
    """How far a run is; `final` states are COMPLETED, FAILED, CRASHED and CANCELLED."""
    return await flow_runs.find(services, caller, str(run_id))


def _require_json(body: bytes, headers: Mapping[str, str]) -> None:
    """Other kinds of bodies any web page may send, and no browser asks first. Raises UnsupportedMediaType."""
    kind = headers.get("content-type", "")
    if (body or kind) and kind.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType("the body is application/json", source="api")


def _authorize(webhooks: Webhooks, deployment: str, key: str, body: bytes, headers: Mapping[str, str]) -> str:
    """The request's signature, empty when none is asked for. Raises `Unauthorized` and `Forbidden`."""
    signature = ""
    if webhooks.secret is not None:
        timestamp = headers.get("x-capibara6-timestamp", "")
        if not _is_fresh(timestamp):
            why = "x-capibara6-timestamp is missing or more than five minutes away"
            raise Unauthorized(why, source="api")
        signature = sign(webhooks.secret.get_secret_value(), timestamp, deployment, key, body)
        if not hmac.compare_digest(signature.encode(), headers.get("x-capibara6-signature", "").encode()):
            why = "x-capibara6-signature does not sign timestamp.deployment.idempotency-key.body"
            raise Unauthorized(why, source="api")
    if deployment not in webhooks.deployments:
        raise Forbidden(f"{deployment} can not be started by a webhook", param="deployment", source="api")
    return signature


def sign(secret: str, timestamp: str, deployment: str, key: str, body: bytes) -> str:
    """`sha256=` and the HMAC-SHA256, in hexadecimal, of `timestamp.deployment.key.body`."""
    message = f"{timestamp}.{deployment}.{key}.".encode() + body
    return f"sha256={hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()}"


def _is_fresh(timestamp: str) -> bool:
    is_number = timestamp.isascii() and timestamp.isdigit()
    return is_number and abs(time.time() - int(timestamp[:12])) <= TIMESTAMP_TOLERANCE_S


def _parameters(body: bytes) -> JsonObject:
    try:
        parameters = json.loads(body or b"{}")
    except (ValueError, RecursionError) as exc:
        raise BadRequest("the body is not JSON", source="api", code="malformed_json") from exc
    if not isinstance(parameters, dict):
        raise BadRequest("the body is an object with the flow's parameters", source="api")
    return parameters
