"""Requests that are another service's to answer, carried there and back as bytes: the pool's models by name,
and speech.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from agents.registry import AGENTS
from servers.api.assistants.catalog import Assistants
from servers.api.http.openai.models import raise_unknown
from servers.api.services import Services
from servers.web import sse
from servers.web.app import error_response
from servers.web.middleware import BODY
from tools.clients.http import Http
from tools.clients.raw.carrier import Carrier
from tools.errors import Capibara6Error, ModelNotFound

CARRIED = frozenset({"/v1/chat/completions", "/v1/completions"})
JSON = {"content-type": "application/json"}
EVENTS = "text/event-stream"
RETURNED = frozenset({"content-type", "content-length", "content-disposition", "cache-control"})
OURS = ("x-capibara6-", "x-speech-", "x-sample-rate")
RETURNED_RAW = frozenset(name.encode() for name in RETURNED)


@dataclass(frozen=True)
class CarriedRoute:
    """What metrics and audit call it."""

    path: str


class PassThrough:
    """ASGI middleware, inside `ServiceMiddleware`: carries what names one of the pool's models, passes the
    rest on."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.routes = {path: CarriedRoute(path) for path in CARRIED}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self.routes.get(scope.get("path", "")) if scope.get("method") == "POST" else None
        model = named_model(scope[BODY]) if route is not None else None
        if route is None or model is None or await _is_agent(model, scope):
            await self.app(scope, receive, send)
            return
        scope["route"] = route
        services: Services = scope["app"].state.services
        try:
            await _carry(services.carrier, route.path, scope[BODY], send)
        except ModelNotFound:
            try:
                await raise_unknown(services.clients, model)
            except ModelNotFound as exc:
                await error_response(exc)(scope, receive, send)
        except Capibara6Error as exc:
            await error_response(exc)(scope, receive, send)


async def _is_agent(model: str, scope: Scope) -> bool:
    """Whether an agent, or an assistant that is there for the caller, has this name."""
    if model in AGENTS:
        return True
    made: Assistants = scope["app"].state.services.assistants
    return model in made.ids and await made.find(model, scope["state"]["principal"]) is not None


def named_model(body: bytes) -> str | None:
    """The model that a JSON body names; None when it names none, or is no JSON object."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    model = request.get("model") if isinstance(request, dict) else None
    return model if isinstance(model, str) and model else None


async def carry(http: Http, path: str, body: bytes, headers: Mapping[str, str], send: Send) -> None:
    """POST `body` to a service's `path` and give its answer back as it comes.

    Raises what `tools/clients/http.py` raises until the first byte; after it an error is the last event of a
    stream of events, and breaks off any other answer."""
    async with http.stream("POST", path, content=body, headers=headers) as upstream:
        returned = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in upstream.headers.items()
            if name in RETURNED or name.startswith(OURS)
        ]
        start = {"type": "http.response.start", "status": upstream.status_code, "headers": returned}
        await send(start)
        try:
            async for piece in upstream.pieces():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except Capibara6Error as exc:
            if EVENTS not in upstream.headers.get("content-type", ""):
                raise BrokenAnswer(http.source) from exc
            await send({"type": "http.response.body", "body": sse.error_event(exc), "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _carry(carrier: Carrier, path: str, body: bytes, send: Send) -> None:
    """The same for the pool, as cheaply as it can be done."""
    async with carrier.post(path, body) as answer:
        returned = [
            pair
            for pair in answer.headers.items()
            if pair[0] in RETURNED_RAW or pair[0].startswith(b"x-capibara6-")
        ]
        start = {"type": "http.response.start", "status": answer.status, "headers": returned}
        if not answer.headers.get(b"content-type", b"").startswith(b"text/event-stream"):
            whole = await answer.rest()
            await send(start)
            await send({"type": "http.response.body", "body": whole})
            return
        await send(start)
        try:
            while piece := await answer.read():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except Capibara6Error as exc:
            await send({"type": "http.response.body", "body": sse.error_event(exc), "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class BrokenAnswer(Exception):
    """Half an answer was sent: only a broken connection tells the client so."""


class CarriedResponse(Response):
    """A route's answer that is another service's. Until its first byte an error is an answer of its own."""

    def __init__(self, http: Http, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__()
        self.http, self.path, self.sent, self.asked = http, path, body, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await carry(self.http, self.path, self.sent, self.asked, send)
        except Capibara6Error as exc:
            await error_response(exc)(scope, receive, send)


async def forward(http: Http, path: str, request: Request) -> CarriedResponse:
    """A request's own body and content type, to a service's `path`."""
    kind = request.headers.get("content-type", JSON["content-type"])
    return CarriedResponse(http, path, await request.body(), {"content-type": kind})
