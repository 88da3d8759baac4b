"""One streamed turn of a model: pieces of text as they come, then all that was said. It chooses no model."""

import json
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.conversation.state import Message
from tools.clients.pool import Pool

TALKERS_ONLY = frozenset({"extractive"})
"""Models that can neither call tools nor write JSON on demand."""


@dataclass
class Call:
    """A tool call as the model wrote it; `arguments` is None when it is not a JSON object."""

    id: str
    tool: str
    arguments: dict[str, Any] | None

    def wire(self) -> dict[str, Any]:
        text = json.dumps(self.arguments or {}, ensure_ascii=False)
        return {"id": self.id, "type": "function", "function": {"name": self.tool, "arguments": text}}


@dataclass
class Said:
    text: str = ""
    model: str = ""
    calls: list[Call] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    first_ms: float = 0.0


def can_call_tools(model: str) -> bool:
    return model not in TALKERS_ONLY


async def listen(
    pool: Pool, messages: Sequence[Message], *, model: str, **options: Any
) -> AsyncGenerator[str | Said, None]:
    """Pieces of text in order, then one `Said`; `first_ms` is how long the first took to come."""
    started = time.monotonic()
    said, calls = Said(model=model), dict[int, dict[str, str]]()
    asked = {"stream_options": {"include_usage": True}, **options}
    async for chunk in pool.chat(messages, model=model, **asked):
        said.model = chunk.get("model") or said.model
        said.usage = _counts(chunk.get("usage")) or said.usage
        for choice in chunk.get("choices", []):
            delta = choice.get("delta") or {}
            for part in delta.get("tool_calls") or []:
                _gather(calls, part)
            piece = delta.get("content")
            if piece:
                said.first_ms = said.first_ms or round((time.monotonic() - started) * 1000, 1)
                said.text += piece
                yield piece
    said.calls = [_call(number, parts) for number, parts in sorted(calls.items())]
    yield said


async def hear(pool: Pool, messages: Sequence[Message], *, model: str, **options: Any) -> Said:
    """The whole of what the model says."""
    said = Said(model=model)
    async for heard in listen(pool, messages, model=model, **options):
        if isinstance(heard, Said):
            said = heard
    return said


def _gather(calls: dict[int, dict[str, str]], part: dict[str, Any]) -> None:
    held = calls.setdefault(part.get("index") or 0, {"id": "", "name": "", "arguments": ""})
    function = part.get("function") or {}
    held["id"] = part.get("id") or held["id"]
    held["name"] += function.get("name") or ""
    held["arguments"] += function.get("arguments") or ""


def _call(number: int, parts: dict[str, str]) -> Call:
    try:
        arguments = json.loads(parts["arguments"] or "{}")
    except ValueError:
        arguments = None
    return Call(
        parts["id"] or f"call_{number}", parts["name"], arguments if isinstance(arguments, dict) else None
    )


def _counts(usage: Any) -> dict[str, int]:
    return {key: value for key, value in (usage or {}).items() if isinstance(value, int)}
