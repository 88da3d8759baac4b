"""Turns an agent's events into OpenAI's chat completions, streamed or whole. It runs nothing."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import uuid4

from agents.events import Done, Event, Token


async def chunks(
    events: AsyncGenerator[Event, None], *, model: str, usage: bool = False
) -> AsyncIterator[dict[str, Any]]:
    """OpenAI chunks; each carries its event in `capibara6`, and only tokens have a delta.

    The last chunk carries `done`: it is the usage chunk when the client asked for one. Nothing is said
    before the first event, so that a failure until then can still be an HTTP status.
    """
    head = {"id": _id(), "object": "chat.completion.chunk", "created": int(time.time()), "model": model}
    role = {"role": "assistant", "content": ""}
    async with aclosing(events):
        async for event in events:
            told = event.model_dump(mode="json")
            if not isinstance(event, Done):
                delta = {**role, "content": event.text} if isinstance(event, Token) else dict(role)
                role.clear()
                yield {**head, "choices": [_choice(delta)], "capibara6": told}
                continue
            if usage:
                yield {**head, "choices": [_choice({}, "stop")]}
                yield {**head, "choices": [], "usage": counted(event), "capibara6": told}
            else:
                yield {**head, "choices": [_choice({}, "stop")], "capibara6": told}


def whole(done: Done, *, model: str) -> dict[str, Any]:
    """A chat completion; the message carries `citations`, and `capibara6` is the `Answer`."""
    answer = done.answer.model_dump(mode="json")
    message = {"role": "assistant", "content": done.answer.answer, "citations": answer["citations"]}
    return {
        "id": _id(),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": counted(done),
        "capibara6": answer,
    }


def counted(done: Done) -> dict[str, int]:
    """Tokens as the model counted them; zeros where it did not."""
    prompt, completion = done.usage.get("prompt_tokens", 0), done.usage.get("completion_tokens", 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": done.usage.get("total_tokens", prompt + completion),
    }


def _choice(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def _id() -> str:
    return f"chatcmpl-{uuid4().hex}"
