"""The extractive backend: the model that lives in this process, behind OpenAI's wire. It needs no weights.

How it finds its sentences is the business of `servers/pool/extractive/`.
"""

from collections.abc import AsyncIterator
from typing import Any

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.extractive.answer import generate
from servers.pool.upstream import openai_format
from servers.pool.upstream.backend import Backend, Endpoint, Reply, UpstreamRequest
from servers.pool.upstream.openai_format import Piece
from tools.errors import NotSupported
from tools.schema import JsonObject
from tools.text.content import content_text


class Extractive(Backend):
    """Always there; words are counted as tokens."""

    name = "extractive"
    in_process = True

    async def ask(self, spec: ModelSpec, endpoint: Endpoint, request: UpstreamRequest) -> Reply:
        """Answer a chat or text completion. Raises NotSupported for embeddings and prompts of token ids."""
        if request.path == "/v1/embeddings":
            raise NotSupported(f"{spec.id} does not embed", param="model", source="pool")
        fields, chat = request.fields, request.chat
        messages = fields["messages"] if chat else [{"role": "user", "content": _prompt(fields)}]
        pieces = _pieces(messages, fields.get("max_completion_tokens") or fields.get("max_tokens"))
        if not request.stream:
            return Reply(body=await openai_format.whole(pieces, model=spec.id, chat=chat))
        return Reply(events=openai_format.stream(pieces, model=spec.id, chat=chat, usage=request.usage))


async def _pieces(messages: list[dict[str, Any]], most: int | None) -> AsyncIterator[Piece]:
    read = sum(len(content_text(message.get("content")).split()) for message in messages)
    said, cut = generate(messages, most)
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
