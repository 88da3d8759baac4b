"""How an answer is written for the client: here OpenAI's events, as they are."""

from typing import Any, Protocol

from servers.web.sse import HEADERS, KEEP_ALIVE, error_event
from tools.errors import Capibara6Error

Headers = tuple[tuple[bytes, bytes], ...]


class Writer(Protocol):
    """`turn` takes whole events of OpenAI's stream; `whole` a complete answer, parsed and as bytes."""

    @property
    def headers(self) -> Headers: ...
    @property
    def keepalive(self) -> bytes: ...
    def turn(self, chunk: bytes) -> bytes: ...
    def last(self) -> bytes: ...
    def error(self, exc: Capibara6Error) -> bytes: ...
    def whole(self, said: dict[str, Any], body: bytes) -> bytes: ...


class Events:
    """Bytes go through untouched."""

    headers: Headers = (
        (b"content-type", b"text/event-stream"),
        *((name.encode(), value.encode()) for name, value in HEADERS.items()),
    )
    keepalive: bytes = KEEP_ALIVE

    def turn(self, chunk: bytes) -> bytes:
        return chunk

    def last(self) -> bytes:
        return b""

    def error(self, exc: Capibara6Error) -> bytes:
        return error_event(exc)

    def whole(self, said: dict[str, Any], body: bytes) -> bytes:
        return body


EVENTS = Events()
