"""Streams whose events have a type go through untouched; an error is written as their clients read it."""

from servers.pool.http.writer import SseWriter, anthropic_error
from servers.web.sse import format_event
from tools.errors import Capibara6Error
from tools.schema import JsonObject


class ResponsesWriter(SseWriter):
    """OpenAI's Responses."""

    def turn(self, chunk: bytes) -> bytes:
        """As it is."""
        return chunk

    def whole(self, answer: JsonObject, body: bytes) -> bytes:
        """As it is."""
        return body

    def error(self, exc: Capibara6Error) -> bytes:
        """The stream's own error event, with the envelope that clients raise by."""
        said = {"type": "error", "code": exc.code, "message": exc.message, "param": exc.param}
        return format_event({**said, **exc.envelope()}, event="error")


class MessagesWriter(ResponsesWriter):
    """Anthropic's Messages."""

    def error(self, exc: Capibara6Error) -> bytes:
        """Anthropic's error event."""
        return format_event(anthropic_error(exc), event="error")
