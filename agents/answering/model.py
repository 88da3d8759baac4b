"""Streams one reply of a model: pieces of text as they come, then the whole with its tool calls.

It chooses no model and shows nobody what it says.
"""

import json
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.conversation.state import Message
from tools.clients.pool import Pool
from tools.schema import JsonObject

WITHOUT_TOOLS = frozenset({"extractive"})
"""Models that can neither call tools nor write JSON on demand."""


@dataclass
class ToolCall:
    """A tool call as the model wrote it; `arguments` is None when it is not a JSON object."""

    id: str
    tool: str
    arguments: JsonObject | None

    def wire(self) -> JsonObject:
        """An entry of `tool_calls` in OpenAI's assistant message."""
        text = json.dumps(self.arguments or {}, ensure_ascii=False)
        return {"id": self.id, "type": "function", "function": {"name": self.tool, "arguments": text}}


@dataclass
class ModelReply:
    """All that a model said: `usage` in tokens as it counted them, `first_ms` to its first piece of text."""

    text: str = ""
    model: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    first_ms: float = 0.0


def can_call_tools(model: str) -> bool:
    """Whether a model may be offered tools and asked for JSON."""
    return model not in WITHOUT_TOOLS


async def stream_reply(
    pool: Pool, messages: Sequence[Message], *, model: str, **options: Any
) -> AsyncGenerator[str | ModelReply, None]:
    """Pieces of text in order, then one `ModelReply`. `options` go to the model as they are (OpenAI's names).

    Raises what the pool raises.
    """
    started = time.monotonic()
    reply, calls = ModelReply(model=model), dict[int, dict[str, str]]()
    asked = {"stream_options": {"include_usage": True}, **options}
    async for chunk in pool.chat(messages, model=model, **asked):
        reply.model = chunk.get("model") or reply.model
        reply.usage = _counts(chunk.get("usage")) or reply.usage
        for choice in chunk.get("choices", []):
            delta = choice.get("delta") or {}
            for part in delta.get("tool_calls") or []:
                _gather(calls, part)
            piece = delta.get("content")
            if piece:
                reply.first_ms = reply.first_ms or round((time.monotonic() - started) * 1000, 1)
                reply.text += piece
                yield piece
    reply.calls = [_call(number, parts) for number, parts in sorted(calls.items())]
    yield reply


async def complete(pool: Pool, messages: Sequence[Message], *, model: str, **options: Any) -> ModelReply:
    """The whole reply of a model. Raises what the pool raises."""
    reply = ModelReply(model=model)
    async for item in stream_reply(pool, messages, model=model, **options):
        if isinstance(item, ModelReply):
            reply = item
    return reply


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
        parts["id"] or f"call_{number}", parts["name"], arguments if isinstance(arguments, dict) else None
    )


def _counts(usage: JsonObject | None) -> dict[str, int]:
    return {key: value for key, value in (usage or {}).items() if isinstance(value, int)}
