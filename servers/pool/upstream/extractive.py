"""The extractive backend: the model that lives in this process, behind OpenAI's wire. It needs no weights.

How it finds its sentences is the business of `servers/pool/extractive/`.
"""

from collections.abc import AsyncIterator
from typing import Any

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.extractive.answer import generate
from servers.pool.upstream import openai_format
from servers.pool.upstream.backend import Backend, Endpoint, Reply, UpstreamRequest
from servers.pool.upstream.ollama_translate import unsupported
from servers.pool.upstream.openai_format import Piece
from tools.errors import NotSupported
from tools.schema import JsonObject
from tools.text.content import content_text

NOT_DONE = (
    *("logprobs", "top_logprobs", "prompt_logprobs", "logit_bias", "echo", "suffix", "functions"),
    *("guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs"),
)
"""Fields without which the answer would be another one."""
IGNORED = (
    *("temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "tools"),
    *("repetition_penalty", "min_tokens", "stop_token_ids", "reasoning_effort"),
)
"""Fields that change nothing where nothing is drawn and no tool is called; the answer's header names them."""


class Extractive(Backend):
    """Always there; words are counted as tokens."""

    name = "extractive"
    in_process = True

    async def ask(self, spec: ModelSpec, endpoint: Endpoint, request: UpstreamRequest) -> Reply:
        """Answer a chat or text completion. Raises NotSupported for other paths and prompts of token ids, and
        BadRequest that names a field by which the answer would be another one."""
        if request.path not in ("/v1/chat/completions", "/v1/completions"):
            raise NotSupported(f"{spec.id} has no {request.path}", param="model", source="pool")
        fields, chat = request.fields, request.chat
        _refuse(fields)
        messages = fields["messages"] if chat else [{"role": "user", "content": _prompt(fields)}]
        most = fields.get("max_completion_tokens") or fields.get("max_tokens")
        pieces = _pieces(messages, most, _stops(fields.get("stop")))
        ignored = tuple(name for name in IGNORED if fields.get(name) not in (None, [], {}))
        if not request.stream:
            whole = await openai_format.whole(pieces, model=spec.id, chat=chat)
            return Reply(body=whole, ignored=ignored)
        events = openai_format.stream(pieces, model=spec.id, chat=chat, usage=request.usage)
        return Reply(events=events, ignored=ignored)


def _refuse(fields: JsonObject) -> None:
    for name in ("n", "best_of"):
        if fields.get(name) not in (None, 1):
            raise unsupported(name, "this model has one answer")
    for name in NOT_DONE:
        if fields.get(name):
            raise unsupported(name, "this model quotes sentences and has none")
    kind = (fields.get("response_format") or {}).get("type", "text")
    if kind != "text":
        raise unsupported("response_format", "this model quotes sentences and writes no JSON")
    if fields.get("tools") and fields.get("tool_choice") not in (None, "auto", "none"):
        raise unsupported("tool_choice", "this model calls no tools")


def _stops(stop: Any) -> list[str]:
    return [text for text in (stop if isinstance(stop, list) else [stop]) if text]


async def _pieces(messages: list[dict[str, Any]], most: int | None, stops: list[str]) -> AsyncIterator[Piece]:
    read = sum(len(content_text(message.get("content")).split()) for message in messages)
    said, cut = generate(messages, most, stops)
    for text in said:
        yield Piece(text)
    written = sum(len(text.split()) for text in said)
    yield Piece(finish="length" if cut else "stop", prompt_tokens=read, completion_tokens=written)


def _prompt(fields: JsonObject) -> str:
    prompt = fields["prompt"]
    if isinstance(prompt, str):
        return prompt
    if len(prompt) == 1 and isinstance(prompt[0], str):
        return prompt[0]
    raise NotSupported("this model takes one text as prompt", param="prompt", source="pool")
