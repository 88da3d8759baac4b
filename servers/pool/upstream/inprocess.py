"""The engine that lives in this process: the extractive model behind OpenAI's wire."""

from collections.abc import AsyncIterator
from typing import Any

from servers.pool.extractive.answer import generate
from servers.pool.routing.conversation import text_of
from servers.pool.upstream import openai_format
from servers.pool.upstream.reply import Piece, Reply
from tools.errors import NotSupported


async def ask(model: str, path: str, request: dict[str, Any]) -> Reply:
    """Answer `/v1/chat/completions` or `/v1/completions`; words are counted as tokens."""
    if path == "/v1/embeddings":
        raise NotSupported(f"{model} does not embed", param="model", source="pool")
    chat = path == "/v1/chat/completions"
    messages = request["messages"] if chat else [{"role": "user", "content": _prompt(request)}]
    most = request.get("max_completion_tokens") or request.get("max_tokens")
    pieces = _pieces(messages, most)
    if not request.get("stream"):
        return Reply(body=await openai_format.whole(pieces, model=model, chat=chat))
    usage = bool((request.get("stream_options") or {}).get("include_usage"))
    return Reply(events=openai_format.stream(pieces, model=model, chat=chat, usage=usage))


async def _pieces(messages: list[dict[str, Any]], most: int | None) -> AsyncIterator[Piece]:
    read = sum(len(text_of(message.get("content")).split()) for message in messages)
    written, finish = 0, "stop"
    async for text in generate(messages):
        written += 1
        yield Piece(text)
        if most is not None and written >= most:
            finish = "length"
            break
    yield Piece(finish=finish, prompt_tokens=read, completion_tokens=written)


def _prompt(request: dict[str, Any]) -> str:
    prompt = request["prompt"]
    if isinstance(prompt, str):
        return prompt
    if len(prompt) == 1 and isinstance(prompt[0], str):
        return prompt[0]
    raise NotSupported("this model takes one text as prompt", param="prompt", source="pool")
