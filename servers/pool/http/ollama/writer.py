"""Writes OpenAI's answers in Ollama's shape: a line of JSON per step, or one object."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

import orjson

from servers.pool.http.request import PoolRequest
from servers.pool.http.writer import Headers, SseWriter
from tools.errors import Capibara6Error
from tools.schema import JsonObject

TextField = Literal["message", "response"]
"""Where the text stands: in a `message` for `/api/chat`, as `response` for `/api/generate`."""


class NdjsonWriter:
    """`chat`: the engine sends a chat. The load time of `request`'s reservation is reported."""

    headers: Headers = ((b"content-type", b"application/x-ndjson"),)
    keepalive: bytes = b""
    request: PoolRequest | None = None

    def __init__(self, model: str, *, chat: bool, text_field: TextField) -> None:
        self.model, self.chat, self.text_field = model, chat, text_field
        self.began = time.monotonic()
        self.first = 0.0
        self.finish = "stop"
        self.usage: JsonObject = {}
        self.calls: dict[int, dict[str, str]] = {}

    def turn(self, chunk: bytes) -> bytes:
        """A line of JSON for each piece of text."""
        self.first = self.first or time.monotonic()
        return b"".join(self._lines(chunk))

    def last(self) -> bytes:
        """The tool calls, whole, and the line with the sums."""
        calls = self._line(self._part("", list(self.calls.values()))) if self.calls else b""
        return calls + self._line(self._closing())

    def error(self, exc: Capibara6Error) -> bytes:
        """A line with the error."""
        return orjson.dumps({"error": exc.message}) + b"\n"

    def whole(self, answer: JsonObject, body: bytes) -> bytes:
        """One object with text and sums."""
        self.first = self.began
        choice = (answer.get("choices") or [{}])[0]
        message = choice.get("message") or {}
        text = message.get("content") if self.chat else choice.get("text")
        for index, call in enumerate(message.get("tool_calls") or []):
            self._collect({"index": index, **call})
        self.finish, self.usage = choice.get("finish_reason") or "stop", _sums(answer)
        part = self._part(text or "", list(self.calls.values()), _thought(message))
        return orjson.dumps({"model": self.model, "created_at": stamp(), **self._closing(), **part})

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
        for line in chunk.split(b"\n"):
            if not line.startswith(b"data:") or line.endswith(b"[DONE]"):
                continue
            event = orjson.loads(line[5:])
            self.usage = _sums(event) or self.usage
            for choice in event.get("choices") or ():
                delta = choice.get("delta") or {}
                text = delta.get("content") if self.chat else choice.get("text")
                self.finish = choice.get("finish_reason") or self.finish
                for call in delta.get("tool_calls") or ():
                    self._collect(call)
                thought = _thought(delta)
                if text or thought:
                    yield self._line(self._part(text or "", [], thought))

    def _collect(self, call: JsonObject) -> None:
        """A tool call comes in pieces; Ollama's clients want it whole."""
        known = self.calls.setdefault(call.get("index", 0), {"name": "", "arguments": ""})
        function = call.get("function") or {}
        known["name"] += function.get("name") or ""
        known["arguments"] += function.get("arguments") or ""

    def _part(self, text: str, calls: list[dict[str, str]], thought: str = "") -> JsonObject:
        thinking = {"thinking": thought} if thought else {}
        if self.text_field == "response":
            return {"response": text, **thinking}
        message: JsonObject = {"role": "assistant", "content": text, **thinking}
        if calls:
            message["tool_calls"] = [_native(call) for call in calls]
        return {"message": message}

    def _closing(self) -> JsonObject:
        now, reservation = time.monotonic(), self.request.reservation if self.request else None
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

    def _line(self, fields: JsonObject) -> bytes:
        return orjson.dumps({"model": self.model, "created_at": stamp(), "done": False, **fields}) + b"\n"


class EmbeddingsWriter(SseWriter):
    """OpenAI's vectors as `/api/embed` (many) or the older `/api/embeddings` (one) says them."""

    def __init__(self, model: str, *, many: bool) -> None:
        self.model, self.many = model, many
        self.began = time.monotonic()

    def whole(self, answer: JsonObject, body: bytes) -> bytes:
        """Vectors and sums, or the one vector."""
        vectors = [item["embedding"] for item in answer.get("data") or []]
        if not self.many:
            return orjson.dumps({"embedding": vectors[0] if vectors else []})
        read = _sums(answer).get("prompt_tokens", 0)
        took = nanos(time.monotonic() - self.began)
        return orjson.dumps(
            {"model": self.model, "embeddings": vectors, "total_duration": took, "prompt_eval_count": read}
        )


def nanos(seconds: float) -> int:
    """Seconds in Ollama's unit."""
    return int(seconds * 1e9)


def stamp() -> str:
    """Now, in RFC 3339."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _sums(answer: JsonObject) -> JsonObject:
    """The tokens that the engine counted, where it says them as numbers."""
    usage = answer.get("usage")
    numbers = usage if isinstance(usage, dict) else {}
    return {name: value for name, value in numbers.items() if isinstance(value, int) and value >= 0}


def _thought(part: JsonObject) -> str:
    """What a model thinks, under either of the names that engines give it."""
    return part.get("reasoning_content") or part.get("reasoning") or ""


def _native(call: dict[str, str]) -> JsonObject:
    try:
        arguments = orjson.loads(call["arguments"] or "{}")
    except orjson.JSONDecodeError:
        arguments = {"_text": call["arguments"]}
    return {"function": {"name": call["name"], "arguments": arguments}}
