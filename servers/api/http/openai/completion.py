"""An agent's events as OpenAI's chat completion, streamed in chunks or whole. It runs nothing."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import uuid4

from agents.events import Done, Event, Reasoning, Token
from tools.schema import JsonObject


async def chunks(
    events: AsyncGenerator[Event, None], *, model: str, usage: bool = False
) -> AsyncGenerator[JsonObject, None]:
    """OpenAI chunks; each carries its event in `capibara6`, and only tokens and thoughts have a delta.

    The last chunk carries `done`: it is the usage chunk when the client asked for one. Nothing is yielded
    before the first event, so that a failure until then can still be an HTTP status.
    """
    head = {"id": _id(), "object": "chat.completion.chunk", "created": int(time.time()), "model": model}
    role = {"role": "assistant", "content": ""}
    async with aclosing(events):
        async for event in events:
            shown = event.model_dump(mode="json")
            if not isinstance(event, Done):
                delta = {**role, **_said(event)}
                role.clear()
                yield {**head, "choices": [_choice(delta)], "capibara6": shown}
                continue
            if event.answer.tool_calls:
                calls = [{"index": n, **call} for n, call in enumerate(event.answer.tool_calls)]
                yield {**head, "choices": [_choice({**role, "tool_calls": calls})]}
            if usage:
                yield {**head, "choices": [_choice({}, event.answer.finish_reason)]}
                yield {**head, "choices": [], "usage": usage_of(event), "capibara6": shown}
            else:
                yield {**head, "choices": [_choice({}, event.answer.finish_reason)], "capibara6": shown}


def whole(done: Done, *, model: str) -> JsonObject:
    """A chat completion; the message carries `citations` and `support`, and `capibara6` is the `Answer`."""
    answer = done.answer.model_dump(mode="json")
    calls = answer["tool_calls"]
    said = done.answer.answer or None if calls else done.answer.answer
    message = {"role": "assistant", "content": said, "refusal": None, "citations": answer["citations"]}
    if calls:
        message["tool_calls"] = calls
    message["support"] = answer["support"]
    if done.answer.reasoning:
        message["reasoning_content"] = done.answer.reasoning
    return {
        "id": _id(),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {"index": 0, "message": message, "finish_reason": done.answer.finish_reason, "logprobs": None}
        ],
        "usage": usage_of(done),
        "capibara6": answer,
    }


def usage_of(done: Done) -> dict[str, int]:
    """OpenAI's `usage`: tokens as the model counted them, zeros where it did not."""
    prompt, completion = done.usage.get("prompt_tokens", 0), done.usage.get("completion_tokens", 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": done.usage.get("total_tokens", prompt + completion),
    }


def _said(event: Event) -> JsonObject:
    match event:
        case Token():
            return {"content": event.text}
        case Reasoning():
            return {"reasoning_content": event.text}
        case _:
            return {}


def _choice(delta: JsonObject, finish: str | None = None) -> JsonObject:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def _id() -> str:
    return f"chatcmpl-{uuid4().hex}"
