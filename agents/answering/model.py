"""Streams one reply of a model: pieces of text as they come, then the whole with its tool calls.

It chooses no model and shows nobody what it says. What the model thinks aloud is kept apart.
"""

import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal

from agents.answering.bounds import repeats
from agents.answering.reasoning import ReasoningSplitter
from agents.conversation.state import Message, wire
from tools.clients.pool import Pool
from tools.schema import JsonObject

QUOTING = "extractive"
"""The model that answers with sentences of the passages: it needs no weights."""
WITHOUT_TOOLS = frozenset({QUOTING})
"""Models that can neither call tools nor write JSON on demand."""
LOOKED_AT = 64
"""Every so many characters it is looked whether the text repeats itself."""


@dataclass
class ToolCall:
    """A tool call as the model wrote it (`written` letter by letter); `arguments` is None when that is not a
    JSON object."""

    id: str
    tool: str
    arguments: JsonObject | None
    written: str = ""

    def wire(self) -> JsonObject:
        """An entry of `tool_calls` in OpenAI's assistant message."""
        return self._wire(json.dumps(self.arguments or {}, ensure_ascii=False))

    def as_written(self) -> JsonObject:
        """The same for who makes the call, and is to judge what the model wrote."""
        return self._wire(self.written or "{}")

    def _wire(self, arguments: str) -> JsonObject:
        return {"id": self.id, "type": "function", "function": {"name": self.tool, "arguments": arguments}}


@dataclass
class ModelReply:
    """All that a model said: `usage` in tokens as it counted them, `first_ms` to its first piece of text.

    `reasoning` is what it thought aloud; `finish` is `length` when it was cut, `repeated` when that was
    because it said the same again and again.
    """

    text: str = ""
    model: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    first_ms: float = 0.0
    reasoning: str = ""
    finish: Literal["stop", "length"] = "stop"
    repeated: bool = False


class Thought(str):
    """A piece of what a model thinks aloud."""

    __slots__ = ()


def can_call_tools(model: str) -> bool:
    """Whether a model may be offered tools and asked for JSON."""
    return model not in WITHOUT_TOOLS


async def stream_reply(
    pool: Pool, messages: Sequence[Message], *, model: str, reply: ModelReply | None = None, **options: Any
) -> AsyncGenerator[str | ModelReply, None]:
    """Pieces of text in order (`Thought`s are no part of the answer), then one `ModelReply`: `reply` where
    one is given, which grows as the stream goes. `options` go to the model as they are (OpenAI's names).

    A model that repeats itself is stopped. Raises what the pool raises.
    """
    reply = reply if reply is not None else ModelReply()
    reply.model = model
    gathering = _Gathering(reply)
    asked = {"stream_options": {"include_usage": True}, **options}
    async with aclosing(pool.chat(wire(messages), model=model, **asked)) as chunks:
        async for chunk in chunks:
            reply.model = chunk.get("model") or reply.model
            reply.usage = _counts(chunk.get("usage")) or reply.usage
            for choice in chunk.get("choices", []):
                for piece in gathering.take(choice):
                    yield piece
            if reply.repeated:
                break
    for piece in gathering.end():
        yield piece
    yield reply


async def complete(pool: Pool, messages: Sequence[Message], *, model: str, **options: Any) -> ModelReply:
    """The whole reply of a model. Raises what the pool raises."""
    reply = ModelReply()
    async for _ in stream_reply(pool, messages, model=model, reply=reply, **options):
        pass
    return reply


class _Gathering:
    """Gathers the choices of a stream into a reply."""

    def __init__(self, reply: ModelReply) -> None:
        self.reply, self.calls = reply, dict[int, dict[str, str]]()
        self.splitter, self.started, self.looked_at = ReasoningSplitter(), time.monotonic(), 0

    def take(self, choice: JsonObject) -> list[str]:
        """The pieces that a choice of a chunk adds."""
        delta = choice.get("delta") or {}
        for part in delta.get("tool_calls") or []:
            _gather(self.calls, part)
        if choice.get("finish_reason") == "length":
            self.reply.finish = "length"
        part = self.splitter.feed(delta.get("content") or "")
        return self._add(
            part.said, (delta.get("reasoning_content") or delta.get("reasoning") or "") + part.thought
        )

    def end(self) -> list[str]:
        """What was held back; the tool calls are whole."""
        part = self.splitter.end()
        self.reply.calls = [_call(number, parts) for number, parts in sorted(self.calls.items())]
        return self._add(part.said, part.thought)

    def _add(self, said: str, thought: str) -> list[str]:
        reply = self.reply
        if said or thought:
            reply.first_ms = reply.first_ms or round((time.monotonic() - self.started) * 1000, 1)
        reply.text += said
        reply.reasoning += thought
        size = len(reply.text) + len(reply.reasoning)
        if size - self.looked_at >= LOOKED_AT:
            self.looked_at = size
            if repeats(reply.text) or repeats(reply.reasoning):
                reply.repeated, reply.finish = True, "length"
        return [piece for piece in (Thought(thought), said) if piece]


def _gather(calls: dict[int, dict[str, str]], part: JsonObject) -> None:
    """Add a piece of a streamed tool call to those gathered by index."""
    call = calls.setdefault(part.get("index") or 0, {"id": "", "name": "", "arguments": ""})
    function = part.get("function") or {}
    call["id"] = part.get("id") or call["id"]
    call["name"] += function.get("name") or ""
    call["arguments"] += function.get("arguments") or ""


def _call(number: int, parts: dict[str, str]) -> ToolCall:
    try:
        arguments = json.loads(parts["arguments"] or "{}")
    except ValueError:
        arguments = None
    return ToolCall(
        parts["id"] or f"call_{number}",
        parts["name"],
        arguments if isinstance(arguments, dict) else None,
        parts["arguments"],
    )


def _counts(usage: JsonObject | None) -> dict[str, int]:
    return {key: value for key, value in (usage or {}).items() if isinstance(value, int)}
