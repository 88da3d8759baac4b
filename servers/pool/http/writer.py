"""How an answer is written for the client: here OpenAI's events, as they are."""

from typing import Any, Protocol

import orjson

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
        (b"cache-control", b"no-cache"),
        (b"x-accel-buffering", b"no"),
    )
    keepalive: bytes = b": keep-alive\n\n"

    def turn(self, chunk: bytes) -> bytes:
        return chunk

    def last(self) -> bytes:
        return b""

    def error(self, exc: Capibara6Error) -> bytes:
        return b"data: " + orjson.dumps(exc.envelope()) + b"\n\n"

    def whole(self, said: dict[str, Any], body: bytes) -> bytes:
        return body


EVENTS = Events()
