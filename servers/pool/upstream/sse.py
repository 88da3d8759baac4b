"""Cuts an engine's byte stream into whole server-sent events and looks into each, without rewriting any.

A stream that is malformed, too long in one line, ended by `abort` or cut off raises; it never ends cleanly.
"""

from typing import Any

import orjson

from tools.errors import Capibara6Error, UpstreamFailed
from tools.schema import JsonObject

EVENT_BYTES = 2**20
ABORTED = "engine_aborted"
"""The code of an answer that an engine gave up, as vLLM does when it is told to stop."""
OTHER_FIELDS = (b":", b"event:", b"id:", b"retry:")


class Reader:
    """Feed it bytes; it returns those that complete events. `done` after `[DONE]`, `usage` once seen."""

    __slots__ = ("done", "events", "finished", "partial", "usage")

    def __init__(self) -> None:
        self.partial = b""
        self.done = False
        self.finished = False
        self.events = 0
        self.usage: JsonObject | None = None

    def feed(self, data: bytes) -> bytes:
        """The whole events in what has come so far. Raises the engine's error, or UpstreamFailed."""
        if self.partial:
            data = self.partial + data
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        if data.endswith(b"\n\n"):
            whole, self.partial = data, b""
        else:
            cut = data.rfind(b"\n\n") + 2
            if cut < 2:
                cut = 0
            whole, self.partial = data[:cut], data[cut:]
            if len(self.partial) > EVENT_BYTES:
                raise UpstreamFailed("the engine sent an event without end", source="engine")
        for line in whole.split(b"\n"):
            if line:
                self._check_line(line)
        return whole

    def close(self) -> None:
        """Call at the end of the stream. Raises UpstreamFailed when `[DONE]` never came."""
        if not self.done:
            raise UpstreamFailed("the engine's answer was cut off", source="engine", code="engine_broke")

    def _check_line(self, line: bytes) -> None:
        if line.startswith(OTHER_FIELDS):
            return
        text = line[5:].strip()
        if text == b"[DONE]":
            self.done = True
            return
        try:
            event = orjson.loads(text)
        except orjson.JSONDecodeError as exc:
            raise UpstreamFailed("the engine sent an event that is not JSON", source="engine") from exc
        if not line.startswith(b"data:") or not isinstance(event, dict):
            raise UpstreamFailed("the engine sent something that is not an event", source="engine")
        self.events += 1
        self._check_event(event)

    def _check_event(self, event: JsonObject) -> None:
        if "error" in event:
            raise _engine_error(event["error"])
        for choice in event.get("choices") or ():
            if not isinstance(choice, dict):
                raise UpstreamFailed("the engine sent a choice that is not an object", source="engine")
            finish = choice.get("finish_reason")
            if finish == "abort":
                raise UpstreamFailed("the engine aborted the answer", source="engine", code=ABORTED)
            if finish:
                self.finished = True
        usage = event.get("usage")
        if usage:
            self.usage = usage


def _engine_error(error: Any) -> Capibara6Error:
    message = error.get("message") if isinstance(error, dict) else error
    return UpstreamFailed(f"the engine failed: {str(message)[:500]}", source="engine", code="engine_error")
