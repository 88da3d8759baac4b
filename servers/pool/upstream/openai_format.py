"""Writes OpenAI's answers from pieces, for engines that do not speak that wire themselves. Pure text work."""

import itertools
import os
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import orjson

from servers.web.sse import DONE, format_event
from tools.schema import JsonObject

_numbers = itertools.count()
_run = os.urandom(6).hex()


class Piece(NamedTuple):
    """A step of an answer as engines without OpenAI's wire produce it; the last one has `finish`.

    `reasoning` is what a model thinks before it answers."""

    text: str = ""
    tool_calls: list[JsonObject] | None = None
    finish: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning: str = ""


def dumps(content: Any) -> bytes:
    """JSON as it goes on the wire."""
    return orjson.dumps(content)


async def stream(
    pieces: AsyncIterator[Piece], *, model: str, chat: bool, usage: bool
) -> AsyncIterator[bytes]:
    """Chunks of a chat or text completion, then `[DONE]`; `usage` adds OpenAI's closing usage chunk."""
    opening = head(
        model, "chat.completion.chunk" if chat else "text_completion", "chatcmpl" if chat else "cmpl"
    )
    if chat:
        yield format_event(
            {**opening, "choices": [choice({"delta": {"role": "assistant", "content": ""}}, None)]}
        )
    last = Piece(finish="stop")
    async for piece in pieces:
        if piece.text or piece.tool_calls or piece.reasoning:
            part = {"delta": _delta(piece)} if chat else {"text": piece.text}
            yield format_event({**opening, "choices": [choice(part, None)]})
        if piece.finish:
            last = piece
    yield format_event({**opening, "choices": [choice({"delta": {}} if chat else {"text": ""}, last.finish)]})
    if usage:
        yield format_event({**opening, "choices": [], "usage": _usage(last)})
    yield DONE


async def whole(pieces: AsyncIterator[Piece], *, model: str, chat: bool) -> bytes:
    """A complete chat or text completion."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[JsonObject] = []
    last = Piece(finish="stop")
    async for piece in pieces:
        texts.append(piece.text)
        thoughts.append(piece.reasoning)
        calls += piece.tool_calls or []
        if piece.finish:
            last = piece
    opening = head(model, "chat.completion" if chat else "text_completion", "chatcmpl" if chat else "cmpl")
    text = "".join(texts)
    message: JsonObject = {"role": "assistant", "content": text if text or not calls else None}
    if any(thoughts):
        message["reasoning_content"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = [_without_index(call) for call in calls]
    part = {"message": message} if chat else {"text": text}
    return orjson.dumps({**opening, "choices": [choice(part, last.finish)], "usage": _usage(last)})


def head(model: str, kind: str, prefix: str) -> JsonObject:
    """The fields that open every answer and every chunk, with a fresh id."""
    number = f"{prefix}-{_run}{next(_numbers):x}"
    return {"id": number, "object": kind, "created": int(time.time()), "model": model}


def choice(part: JsonObject, finish: str | None) -> JsonObject:
    """The one choice of an answer or a chunk."""
    return {"index": 0, **part, "logprobs": None, "finish_reason": finish}


def _delta(piece: Piece) -> JsonObject:
    delta: JsonObject = {}
    if piece.reasoning:
        delta["reasoning_content"] = piece.reasoning
    if piece.text:
        delta["content"] = piece.text
    if piece.tool_calls:
        delta["tool_calls"] = piece.tool_calls
    return delta


def _without_index(call: JsonObject) -> JsonObject:
    return {name: value for name, value in call.items() if name != "index"}


def _usage(last: Piece) -> dict[str, int]:
    return {
        "prompt_tokens": last.prompt_tokens,
        "completion_tokens": last.completion_tokens,
        "total_tokens": last.prompt_tokens + last.completion_tokens,
    }
