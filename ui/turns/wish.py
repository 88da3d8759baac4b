"""What a script of the page asks for. It comes from a browser, so every field is looked at."""

from typing import Any

import gradio as gr
from starlette.requests import Request

FIELD_CHARS = 40_000


class Wish:
    """`act` says what; the other fields are empty, or None, where they were not given."""

    def __init__(self, event: gr.EventData) -> None:
        given: Any = event._data
        self.fields: dict[str, Any] = given if isinstance(given, dict) else {}
        self.act, self.id, self.title, self.run, self.text, self.signal, self.reason = (
            self.field(name) for name in ("act", "id", "title", "run", "text", "signal", "reason")
        )
        self.at, self.n = (_number(self.fields.get(name)) for name in ("at", "n"))

    def field(self, name: str) -> str:
        """A field as text, bounded."""
        value = self.fields.get(name)
        return value[:FIELD_CHARS] if isinstance(value, str) else ""


def web_request(request: gr.Request) -> Request:
    """The request by which the page asked."""
    assert request.request is not None
    return request.request


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
