"""The door in front of an app that is not ours: Gradio's page and Prefect's server.

It decides as `door.py` says, for WebSockets too, bounds bodies, and is the only one to say which origins may
read: what the app itself says of that is left out. Our own apps have `middleware.py`.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servers.web.door import Door, HeaderList, Headers
from servers.web.middleware import answer_preflight, refuse, refuse_socket
from tools.errors import Capibara6Error, TooLarge


class Gateway:
    """ASGI middleware; bodies of more than `body_bytes`, declared or not, get 413. `headers` go into every
    answer of the app."""

    def __init__(self, app: ASGIApp, *, door: Door, body_bytes: int, headers: HeaderList = ()) -> None:
        self.app, self.door, self.body_bytes, self.headers = app, door, body_bytes, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers: Headers = dict(scope["headers"])
        try:
            admission = self.door.admit(scope, headers)
        except Capibara6Error as exc:
            if scope["type"] == "websocket":
                await refuse_socket(scope, send, exc)
            else:
                await refuse(send, exc, receive=receive)
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
        elif admission.preflight:
            await answer_preflight(_Answer(send, admission.headers).send)
        else:
            answer = _Answer(send, (*admission.headers, *self.headers))
            await self._serve(scope, receive, answer, headers)

    async def _serve(self, scope: Scope, receive: Receive, answer: "_Answer", headers: Headers) -> None:
        received = 0
        too_large = TooLarge(f"the body may have {self.body_bytes} bytes", source=self.door.name)

        async def read() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received <= self.body_bytes:
                return message
            await answer.end_with(too_large, receive)
            return {"type": "http.disconnect"}

        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self.body_bytes:
            await answer.end_with(too_large, receive)
            return
        await self.app(scope, read, answer.send)


class _Answer:
    """The answer of the app behind, with headers of ours; or ours, once the app's is not wanted."""

    def __init__(self, send: Send, extra: HeaderList) -> None:
        self._send, self._extra = send, extra
        self._started = self._over = False

    async def send(self, message: Message) -> None:
        if self._over:
            return
        if message["type"] == "http.response.start":
            self._started = True
            kept = [pair for pair in message.get("headers", []) if not pair[0].startswith(b"access-control-")]
            message = {**message, "headers": [*kept, *self._extra]}
        await self._send(message)

    async def end_with(self, exc: Capibara6Error, receive: Receive) -> None:
        """Answer with `exc` unless an answer has begun; from now on the app is not heard."""
        if not self._started and not self._over:
            self._over = True
            await refuse(self._send, exc, receive=receive)
