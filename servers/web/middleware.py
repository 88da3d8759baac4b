"""ASGI middleware in front of a service: request id, door, access, bounded body, metrics, last error handler.

Whether a request may come in decides `door.py`. Cancellation when the client leaves is `disconnect.py`, the
API key `api_key.py`, errors of routes `app.py`.
"""

import asyncio
import contextlib
import json
import time
from contextlib import AbstractContextManager
from functools import lru_cache
from importlib.metadata import version
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servers.web.api_key import Headers
from servers.web.disconnect import BufferedRequest, DisconnectWatch, run_until_disconnect
from servers.web.door import Door, HeaderList
from tools import trace
from tools.errors import Capibara6Error, TooLarge
from tools.log import get_logger
from tools.settings import Limits

log = get_logger("door")

LINGER_S = 0.5
NOT_ANSWERED = 499
"""The status that is counted when the client left before an answer began (nginx's)."""
REFUSE_SOCKET = "websocket.http.response"
"""ASGI extension: a WebSocket that is not accepted gets an answer of HTTP."""
SECONDS = "http_request_duration_seconds"
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of its buckets: an answer may take minutes, and a load of a model first."""
BODY = "capibara6.body"
"""Where the scope holds the body that the middleware has read."""


class AccessControl(Protocol):
    """Decides who may enter, and hears how each request ended."""

    async def admit(self, scope: Scope, headers: Headers) -> AbstractContextManager[None]:
        """What is open for as long as the request runs; raises one of `tools.errors` to refuse it. It may
        leave `scope["capibara6.headers"]` for the answer and `scope["capibara6.body_bytes"]` as a bound."""
        ...

    def done(self, scope: Scope, status: int, seconds: float) -> None:
        """Once a request, before the last byte of its answer leaves."""
        ...


def service_registry(service: str) -> CollectorRegistry:
    """A registry with what every service tells of itself: Prometheus' `process_*`, and version and name."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    build = Info("capibara6_build", "Which version answers", registry=registry)
    build.info({"service": service, "version": version("capibara6")})
    return registry


class HttpMetrics:
    """Requests and their seconds, by route."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["method", "route", "status"]
        requests = Counter("http_requests", "Requests answered", labels, registry=registry)
        told = "Time to the end of the answer"
        seconds = Histogram(SECONDS, told, ["route"], registry=registry, buckets=BOUNDS_S)
        # Finding a series by its labels costs more than counting in it.
        self._requests = lru_cache(1_024)(
            lambda method, route, status: requests.labels(method, route, str(status))
        )
        self._seconds = lru_cache(1_024)(seconds.labels)

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """One request that was answered with `status` after `seconds`."""
        route = getattr(scope.get("route"), "path", "unmatched")
        self._requests(scope["method"], route, status).inc()
        self._seconds(route).observe(seconds)


class Exchange:
    """One request and its answer: `send` is the ASGI `send` of what is behind the middleware."""

    __slots__ = (
        "_send",
        "access",
        "counted",
        "extra",
        "metrics",
        "request",
        "request_id",
        "scope",
        "started",
        "status",
    )

    def __init__(
        self, scope: Scope, send: Send, request_id: bytes, access: AccessControl, metrics: HttpMetrics
    ) -> None:
        self.scope, self._send, self.request_id = scope, send, request_id
        self.access, self.metrics = access, metrics
        self.started, self.status, self.counted = time.monotonic(), NOT_ANSWERED, False
        self.request: BufferedRequest | None = None
        self.extra: HeaderList = ()
        """The door's headers for the answer."""

    async def send(self, message: Message) -> None:
        """Send on, with the request id among the headers."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            extra = (*self.extra, *self.scope.get("capibara6.headers", ()))
            message["headers"] = [*message.get("headers", []), (b"x-request-id", self.request_id), *extra]
            await self._send(message)
            return
        last = not message.get("more_body", False)
        if last:
            self.count()  # before its last byte: who reads the answer and then /metrics finds it counted
        await self._send(message)
        if last and self.request is not None:
            self.request.ended = True

    def count(self) -> None:
        """Tell metrics and access control how the request ended; once."""
        if not self.counted:
            self.counted = True
            seconds = time.monotonic() - self.started
            self.metrics.count(self.scope, self.status, seconds)
            self.access.done(self.scope, self.status, seconds)


class ServiceMiddleware:
    """Wraps an ASGI app: `door` decides whether a request may come in, `access` who may enter."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        name: str,
        limits: Limits,
        door: Door,
        access: AccessControl,
        registry: CollectorRegistry,
    ) -> None:
        self.app = app
        self.name = name
        self.limits = limits
        self.door = door
        self.access = access
        self.metrics = HttpMetrics(registry)
        self.watch = DisconnectWatch()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        served = trace.trace_of(headers)
        request_id = served.request_id
        trace.bind(served)
        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        exchange = Exchange(scope, send, request_id, self.access, self.metrics)
        try:
            await self._serve(exchange, headers, receive)
        except Exception as exc:  # the only such clause: what nobody foresaw is logged
            log.error("unexpected", path=scope["path"], exc_info=exc)
            if exchange.status != NOT_ANSWERED:
                raise
            internal = Capibara6Error("internal error; see the service's log", source=self.name)
            await refuse(exchange.send, internal)
        finally:
            exchange.count()
            structlog.contextvars.unbind_contextvars("request_id")

    async def _serve(self, exchange: Exchange, headers: Headers, receive: Receive) -> None:
        scope = exchange.scope
        try:
            admission = self.door.admit(scope, headers)
        except Capibara6Error as exc:
            await refuse(exchange.send, exc, receive=receive)
            return
        exchange.extra = admission.headers
        if admission.preflight:
            await answer_preflight(exchange.send)
            return
        try:
            inside = await self.access.admit(scope, headers)
        except Capibara6Error as exc:
            await refuse(exchange.send, exc)
            return
        with inside:
            form = self.door.forms.get(scope["path"])
            bound = form.bound(self.limits.body_bytes) if form else self.limits.body_bytes
            most = min(bound, scope.get("capibara6.body_bytes") or bound)
            try:
                body = await read_body(receive, headers, most, source=self.name)
            except TooLarge as exc:
                await refuse(exchange.send, exc, receive=receive)
                return
            if body is not None:
                scope[BODY] = body
                exchange.request = BufferedRequest(body, receive)
                await run_until_disconnect(self.app, scope, exchange.request, exchange.send, watch=self.watch)


async def read_body(receive: Receive, headers: Headers, most: int, *, source: str) -> bytes | None:
    """The whole body, or None when the client left before sending it. Raises TooLarge beyond `most` bytes."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most, source)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        # The usual case: one piece, no copy.
        whole = message.get("body", b"")
        if len(whole) > most:
            raise _too_large(most, source)
        return whole
    body = bytearray()
    while message["type"] != "http.disconnect":
        body += message.get("body", b"")
        if len(body) > most:
            raise _too_large(most, source)
        if not message.get("more_body", False):
            return bytes(body)
        message = await receive()
    return None


def _too_large(most: int, source: str) -> TooLarge:
    return TooLarge(f"the body may have {most} bytes", source=source)


async def linger(receive: Receive) -> None:
    """Read on for `LINGER_S` and throw away: closing on a client that still sends resets the connection,
    and the client would never see the answer."""

    async def drain() -> None:
        while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
            continue

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(drain(), LINGER_S)


async def answer_preflight(send: Send) -> None:
    """Nothing but a status; what the page may do stands in the door's headers."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def refuse(send: Send, exc: Capibara6Error, *, receive: Receive | None = None) -> None:
    """Answer with the envelope and close the connection; `receive` when a body may still be coming."""
    body = json.dumps(exc.envelope()).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if exc.retry_after is not None:
        headers.append((b"retry-after", str(exc.retry_after).encode()))
    await send({"type": "http.response.start", "status": exc.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    if receive is not None:
        await linger(receive)
    await send({"type": "http.response.body", "body": b""})


async def refuse_socket(scope: Scope, send: Send, exc: Capibara6Error) -> None:
    """Answer a WebSocket's handshake with the status and the envelope of `exc`."""
    if REFUSE_SOCKET not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return

    async def translate(message: Message) -> None:
        await send({**message, "type": message["type"].replace("http.response", REFUSE_SOCKET)})

    await refuse(translate, exc)
