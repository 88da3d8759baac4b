"""Cuts an engine's byte stream into whole server-sent events and looks into each, without rewriting any.

A stream that is malformed, too long in one line, ended by `abort` or cut off raises; it never ends cleanly.
"""

from typing import Any

import orjson

from servers.pool.upstream.paths import PATHS
from servers.web.sse import DONE
from tools.errors import Capibara6Error, UpstreamFailed
from tools.schema import JsonObject

EVENT_BYTES = 2**20
ABORTED = "engine_aborted"
"""The code of an answer that an engine gave up, as vLLM does when it is told to stop."""
ENDED = ("response.completed", "response.incomplete", "message_stop")
FAILED = ("response.failed", "response.cancelled", "error")
TEXTS = ("content", "reasoning", "reasoning_content")
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
        for choice in checked_choices(event, "delta"):
            finish = choice.get("finish_reason")
            if finish == "abort":
                raise UpstreamFailed("the engine aborted the answer", source="engine", code=ABORTED)
            if finish:
                self.finished = True
        usage = event.get("usage")
        if isinstance(usage, dict):
            self.usage = usage


def checked_choices(answer: JsonObject, part: str) -> list[JsonObject]:
    """The choices of an answer or a chunk, whose `part` (`message` or `delta`) is what clients can read.

    Raises UpstreamFailed where anything that is read on the way is of another type.
    """
    choices = answer.get("choices")
    if choices is None:
        return []
    if choices.__class__ is not list:
        raise UpstreamFailed("the engine sent choices that are no list", source="engine")
    for choice in choices:
        said: Any = choice.get(part) if choice.__class__ is dict else 0
        # Nearly every event carries one text and nothing else.
        if said.__class__ is dict and len(said) == 1 and said.get("content").__class__ is str:
            continue
        if said is not None and not _can_be_read(said):
            raise UpstreamFailed("the engine sent a choice of a wrong form", source="engine")
    return choices


def _can_be_read(said: Any) -> bool:
    if not isinstance(said, dict):
        return False
    calls = said.get("tool_calls")
    return all(isinstance(said.get(name), str | None) for name in TEXTS) and (
        calls is None or (isinstance(calls, list) and all(_is_call(call) for call in calls))
    )


def _is_call(call: Any) -> bool:
    function = call.get("function") if isinstance(call, dict) else 0
    if not isinstance(function, dict | None) or not isinstance(call.get("index", 0), int):
        return False
    return all(isinstance((function or {}).get(name), str | None) for name in ("name", "arguments"))


class TypedReader(Reader):
    """Of streams whose events have a type: OpenAI's Responses and Anthropic's Messages."""

    def feed(self, data: bytes) -> bytes:
        """As it is, without the `[DONE]` that vLLM adds and neither wire has."""
        return super().feed(data).replace(DONE, b"")

    def _check_event(self, event: JsonObject) -> None:
        kind = event.get("type")
        if kind in FAILED or (kind is None and "error" in event):
            inner = event.get("response") if isinstance(event.get("response"), dict) else event
            raise _engine_error((inner or {}).get("error") or event.get("message"))
        delta = event.get("delta")
        if isinstance(delta, dict) and delta.get("stop_reason") == "abort":
            raise UpstreamFailed("the engine aborted the answer", source="engine", code=ABORTED)
        for holder in (event, event.get("message"), event.get("response")):
            usage = holder.get("usage") if isinstance(holder, dict) else None
            if isinstance(usage, dict):
                self.usage = {**(self.usage or {}), **{name: n for name, n in usage.items() if n is not None}}
        self.done = self.done or kind in ENDED


def reader_of(path: str) -> Reader:
    """The reader of a path's streams."""
    return TypedReader() if PATHS[path].typed else Reader()


def _engine_error(error: Any) -> Capibara6Error:
    message = error.get("message") if isinstance(error, dict) else error
    return UpstreamFailed(f"the engine failed: {str(message)[:500]}", source="engine", code="engine_error")
