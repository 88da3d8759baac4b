"""ASGI middleware in front of the page: headers that keep the page local, request counts.

An open page holds a heartbeat stream for as long as it is open; `leaving` ends those, or a browser left open
would keep the server from stopping. Answers in flight are not touched.
"""

import asyncio

from prometheus_client import CollectorRegistry, Counter
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Gradio's page has inline scripts and styles; nothing in it may load from, or be sent to, another site.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
HEARTBEAT_PATH = "/gradio_api/heartbeat/"
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class PageMiddleware:
    """Adds `HEADERS` to every answer, and counts it in `http_requests`."""

    def __init__(self, app: ASGIApp, *, leaving: asyncio.Event, registry: CollectorRegistry) -> None:
        self.app = app
        self.leaving = leaving
        self.requests = Counter("http_requests", "Requests answered", ["method", "status"], registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def reply(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                self.requests.labels(scope["method"], str(message["status"])).inc()
            await send(message)

        if scope["path"].startswith(HEARTBEAT_PATH):
            await self._end_when_leaving(scope, receive, reply)
        else:
            await self.app(scope, receive, reply)

    async def _end_when_leaving(self, scope: Scope, receive: Receive, reply: Send) -> None:
        """A heartbeat stream; it ends well, with its last chunk, when the server is about to stop."""
        heartbeat = asyncio.ensure_future(self.app(scope, receive, reply))
        stopping = asyncio.ensure_future(self.leaving.wait())
        try:
            await asyncio.wait({heartbeat, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not heartbeat.done():
                heartbeat.cancel()
                await asyncio.wait({heartbeat})
                await reply({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            heartbeat.cancel()
            stopping.cancel()
            await asyncio.gather(heartbeat, stopping, return_exceptions=True)
