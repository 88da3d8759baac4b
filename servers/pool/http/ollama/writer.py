"""Writes OpenAI's answers in Ollama's shape: a line of JSON per step, or one object."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from servers.pool.http.writer import Headers
from servers.pool.scheduling.instance import Reservation
from tools.errors import Capibara6Error


class NdjsonWriter:
    """`chat`: the engine sends a chat. `said`: `message` for `/api/chat`, `response` for `/api/generate`.

    `place` gives the reservation whose load is reported.
    """

    headers: Headers = ((b"content-type", b"application/x-ndjson"),)
    keepalive: bytes = b""

    def __init__(self, model: str, *, chat: bool, said: str, place: Callable[[], Reservation | None]) -> None:
        self.model, self.chat, self.said, self.place = model, chat, said, place
        self.began = time.monotonic()
        self.first = 0.0
        self.finish = "stop"
        self.usage: dict[str, Any] = {}
        self.calls: dict[int, dict[str, str]] = {}

    def turn(self, chunk: bytes) -> bytes:
        self.first = self.first or time.monotonic()
        return b"".join(self._lines(chunk))

    def last(self) -> bytes:
        calls = self._line(self._part("", list(self.calls.values()))) if self.calls else b""
        return calls + self._line(self._closing())

    def error(self, exc: Capibara6Error) -> bytes:
        return orjson.dumps({"error": exc.message}) + b"\n"

    def whole(self, said: dict[str, Any], body: bytes) -> bytes:
        self.first = self.began
        choice = (said.get("choices") or [{}])[0]
        message = choice.get("message") or {}
        text = message.get("content") if self.chat else choice.get("text")
        for index, call in enumerate(message.get("tool_calls") or []):
            self._collect({"index": index, **call})
        self.finish, self.usage = choice.get("finish_reason") or "stop", said.get("usage") or {}
        answer = self._part(text or "", list(self.calls.values()))
        return orjson.dumps({"model": self.model, "created_at": stamp(), **self._closing(), **answer})

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
        for line in chunk.split(b"\n"):
            if not line.startswith(b"data:") or line.endswith(b"[DONE]"):
                continue
            event = orjson.loads(line[5:])
            self.usage = event.get("usage") or self.usage
            for choice in event.get("choices") or ():
                delta = choice.get("delta") or {}
                text = delta.get("content") if self.chat else choice.get("text")
                self.finish = choice.get("finish_reason") or self.finish
                for call in delta.get("tool_calls") or ():
                    self._collect(call)
                if text:
                    yield self._line(self._part(text, []))

    def _collect(self, call: dict[str, Any]) -> None:
        """A tool call comes in pieces; Ollama's clients want it whole."""
        known = self.calls.setdefault(call.get("index", 0), {"name": "", "arguments": ""})
        function = call.get("function") or {}
        known["name"] += function.get("name") or ""
        known["arguments"] += function.get("arguments") or ""

    def _part(self, text: str, calls: list[dict[str, str]]) -> dict[str, Any]:
        if self.said == "response":
            return {"response": text}
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if calls:
            message["tool_calls"] = [_native(call) for call in calls]
        return {"message": message}

    def _closing(self) -> dict[str, Any]:
        now, reservation = time.monotonic(), self.place()
        reason = {"length": "length"}.get(self.finish, "stop")
        loaded = reservation.load_s if reservation else 0.0
        first = self.first or now
        return {
            **self._part("", []),
            "done": True,
            "done_reason": reason,
            "total_duration": nanos(now - self.began),
            "load_duration": nanos(loaded),
            "prompt_eval_count": self.usage.get("prompt_tokens", 0),
            "prompt_eval_duration": nanos(max(0.0, first - self.began - loaded)),
            "eval_count": self.usage.get("completion_tokens", 0),
            "eval_duration": nanos(now - first),
        }

    def _line(self, fields: dict[str, Any]) -> bytes:
        return orjson.dumps({"model": self.model, "created_at": stamp(), "done": False, **fields}) + b"\n"


def nanos(seconds: float) -> int:
    return int(seconds * 1e9)


def stamp() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _native(call: dict[str, str]) -> dict[str, Any]:
    try:
        arguments = orjson.loads(call["arguments"] or "{}")
    except orjson.JSONDecodeError:
        arguments = {"_text": call["arguments"]}
    return {"function": {"name": call["name"], "arguments": arguments}}
