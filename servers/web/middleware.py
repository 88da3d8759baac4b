"""ASGI middleware in front of a service: request id, key, bounded body, metrics, and cancellation.

When the client leaves, the work behind its request is cancelled, streamed or not.
"""

import asyncio
import contextlib
import hmac
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import lru_cache
from typing import Any, Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from servers.web.disconnect import Presence, Watch
from tools.errors import Capibara6Error, TooLarge, Unauthorized
from tools.log import get_logger
from tools.settings import Limits, Settings

log = get_logger("door")

OPEN_PATHS = frozenset({"/health", "/health/live", "/health/ready"})
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
Headers = dict[bytes, bytes]
LINGER_S = 0.5
BODY = "capibara6.body"
"""Where the scope holds the body that the door has read."""
PRESENCE = "capibara6.presence"


class Gate(Protocol):
    """Decides who may enter, and hears how each request ended."""

    def admit(self, scope: Any, headers: Headers) -> AbstractAsyncContextManager[None]:
        """Open for as long as the request runs; raises one of `tools.errors` to refuse it. It may leave
        `scope["capibara6.headers"]` for the answer and `scope["capibara6.body_bytes"]` as a bound."""
        ...

    def done(self, scope: Any, status: int, seconds: float) -> None:
        """Once a request, before the last byte of its answer leaves."""
        ...


class OneKey:
    """The gate of a service with one key; `allowed(path, headers)` decides."""

    def __init__(self, allowed: Callable[[str, Headers], bool], *, name: str) -> None:
        self.allowed, self.name = allowed, name

    @asynccontextmanager
    async def admit(self, scope: Any, headers: Headers) -> AsyncIterator[None]:
        if not self.allowed(scope["path"], headers):
            raise Unauthorized("a valid API key is needed", source=self.name)
        yield

    def done(self, scope: Any, status: int, seconds: float) -> None:
        """The metrics say enough."""


class Door:
    """Wraps an ASGI app; its gate decides who may enter."""

    def __init__(
        self,
        app: Any,
        *,
        name: str,
        limits: Limits,
        gate: Gate,
        registry: CollectorRegistry,
    ) -> None:
        self.app = app
        self.name = name
        self.limits = limits
        self.gate = gate
        labels = ["method", "route", "status"]
        self.requests = Counter("http_requests", "Requests answered", labels, registry=registry)
        self.seconds = Histogram(
            "http_request_seconds", "Time to the end of the answer", ["route"], registry=registry
        )
        # Finding a series by its labels costs more than counting in it.
        self._counted = lru_cache(1_024)(
            lambda method, route, status: self.requests.labels(method, route, str(status))
        )
        self._timed = lru_cache(1_024)(self.seconds.labels)
        self.watch = Watch()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex.encode()
        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        started, status, counted = time.monotonic(), 499, False

        def count() -> None:
            nonlocal counted
            if not counted:
                counted = True
                route = getattr(scope.get("route"), "path", "unmatched")
                took = time.monotonic() - started
                self._counted(scope["method"], route, status).inc()
                self._timed(route).observe(took)
                self.gate.done(scope, status, took)

        async def reply(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                extra = scope.get("capibara6.headers", ())
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id), *extra]
                await send(message)
                return
            last = not message.get("more_body", False)
            if last:
                count()  # before its last byte: who reads the answer and then /metrics finds it counted
            await send(message)
            presence = scope.get(PRESENCE)
            if last and presence is not None:
                presence.ended = True

        try:
            await self._enter(scope, headers, receive, reply)
        except Exception as exc:  # the only such clause: what nobody foresaw is logged
            log.error("unexpected", path=scope["path"], exc_info=exc)
            if status != 499:
                raise
            await refuse(reply, Capibara6Error("internal error; see the service's log", source=self.name))
        finally:
            count()
            structlog.contextvars.unbind_contextvars("request_id")

    async def _enter(self, scope: Any, headers: Headers, receive: Any, reply: Any) -> None:
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self.gate.admit(scope, headers))
                most = min(
                    self.limits.body_bytes, scope.get("capibara6.body_bytes") or self.limits.body_bytes
                )
                body = await read_body(receive, headers, most, source=self.name)
            except TooLarge as exc:
                await refuse(reply, exc, receive=receive)
                return
            except Capibara6Error as exc:
                await refuse(reply, exc)
                return
            if body is not None:
                scope[BODY] = body
                presence = scope[PRESENCE] = Presence(body, receive)
                await self.watch.run_until_left(self.app, scope, presence, reply)


def allowed(settings: Settings) -> Callable[[str, Headers], bool]:
    """Decides by exact path and headers whether a request may enter; constant time in the key.

    Only the three health paths, spelt exactly, are open: a path trick can only lose that exemption.
    """
    secret = settings.api_key.get_secret_value().encode() if settings.api_key else None

    def decide(path: str, headers: Headers) -> bool:
        if secret is None or path in OPEN_PATHS:
            return True
        given = headers.get(b"x-api-key", b"")
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer":
            given = token.strip()
        return hmac.compare_digest(given, secret)

    return decide


async def read_body(receive: Any, headers: Headers, most: int, *, source: str) -> bytes | None:
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


async def linger(receive: Any) -> None:
    """Read on for a moment and throw away: closing on a client that still sends resets the connection,
    and the client would never see the answer."""

    async def drain() -> None:
        while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
            continue

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(drain(), LINGER_S)


async def refuse(send: Any, exc: Capibara6Error, *, receive: Any = None) -> None:
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
