"""How an answer is written for the client: here as OpenAI's server-sent events, as they are."""

from typing import Protocol

from servers.web.sse import HEADERS, KEEP_ALIVE, error_event
from tools.errors import Capibara6Error
from tools.schema import JsonObject

Headers = tuple[tuple[bytes, bytes], ...]


OLLAMA_PATHS, ANTHROPIC_PATHS = "/api/", "/v1/messages"


def error_body(path: str, exc: Capibara6Error) -> JsonObject:
    """An error as the clients of a path read it: Ollama's one text, Anthropic's or OpenAI's envelope."""
    if path.startswith(OLLAMA_PATHS):
        return {"error": exc.message}
    if path.startswith(ANTHROPIC_PATHS):
        return anthropic_error(exc)
    return exc.envelope()


def anthropic_error(exc: Capibara6Error) -> JsonObject:
    """The error in Anthropic's shape and words, with what is ours beside it."""
    inner = exc.envelope()["error"]
    known = "overloaded_error" if exc.status == 503 else inner["type"] if exc.status < 500 else "api_error"
    return {"type": "error", "error": {**inner, "type": known}}


class Writer(Protocol):
    """Turns OpenAI's answers into what one kind of client reads."""

    @property
    def headers(self) -> Headers:
        """The headers of a stream."""
        ...

    @property
    def keepalive(self) -> bytes:
        """What is sent while nothing happens; empty where the format has no such thing."""
        ...

    def turn(self, chunk: bytes) -> bytes:
        """Whole events of OpenAI's stream, in the client's format."""
        ...

    def last(self) -> bytes:
        """What closes a stream."""
        ...

    def error(self, exc: Capibara6Error) -> bytes:
        """An error as the last event of a stream."""
        ...

    def whole(self, answer: JsonObject, body: bytes) -> bytes:
        """A complete answer, given parsed and as bytes."""
        ...


class SseWriter:
    """Bytes go through untouched."""

    headers: Headers = (
        (b"content-type", b"text/event-stream"),
        *((name.encode(), value.encode()) for name, value in HEADERS.items()),
    )
    keepalive: bytes = KEEP_ALIVE

    def turn(self, chunk: bytes) -> bytes:
        """As it is."""
        return chunk

    def last(self) -> bytes:
        """Nothing: the engine's own `[DONE]` was the end."""
        return b""

    def error(self, exc: Capibara6Error) -> bytes:
        """The error envelope as an event."""
        return error_event(exc)

    def whole(self, answer: JsonObject, body: bytes) -> bytes:
        """As it is."""
        return body


SSE = SseWriter()
