"""What engines have beside chats, completions and vectors, passed on to those that have it. No decision here.

An engine without the path is said so: 501 `not_supported`. What would have to be kept between two requests is
refused by name: engines come and go.
"""

from collections.abc import Awaitable, Callable

from servers.pool.catalog.catalog import VIRTUAL, Catalog
from servers.pool.http import validation
from servers.pool.http.app import Handler, Routes
from servers.pool.http.engine_paths.writers import MessagesWriter, ResponsesWriter
from servers.pool.http.exchange import HttpExchange
from servers.pool.http.inference import Inference
from servers.pool.http.request import PoolRequest
from servers.pool.http.tokenize import TokenCounter
from servers.pool.http.writer import SSE, Writer
from servers.pool.upstream.backend import UpstreamRequest
from tools.errors import NotSupported
from tools.schema import JsonObject

RESPONSES, MESSAGES = ResponsesWriter(), MessagesWriter()
SAME_AS = {"/rerank": "/v1/rerank", "/v2/rerank": "/v1/rerank", "/score": "/v1/score"}
"""Names under which Jina's, Cohere's and vLLM's clients ask for the same."""

Check = Callable[[JsonObject], JsonObject]


class EngineHandlers:
    """Engines' further paths over one pool."""

    def __init__(self, *, catalog: Catalog, inference: Inference, tokens: TokenCounter) -> None:
        self.catalog, self.inference, self.tokens = catalog, inference, tokens

    @property
    def routes(self) -> Routes:
        """Their paths, under every name."""
        checks: dict[str, tuple[Check, Writer]] = {
            "/v1/responses": (validation.responses, RESPONSES),
            "/v1/messages": (validation.anthropic, MESSAGES),
            "/v1/messages/count_tokens": (validation.anthropic, MESSAGES),
            "/v1/rerank": (validation.rerank, SSE),
            "/v1/score": (validation.score, SSE),
        }
        exact: dict[tuple[str, str], Handler] = {
            ("POST", "/tokenize"): self.tokenize,
            ("POST", "/detokenize"): self.detokenize,
        }
        for path, (check, writer) in checks.items():
            for name in (path, *(alias for alias, meant in SAME_AS.items() if meant == path)):
                exact["POST", name] = self._passing(path, check, writer)
        kept: dict[tuple[str, str, str], Handler] = {
            ("GET", "/v1/responses/", ""): self.kept_nothing,
            ("DELETE", "/v1/responses/", ""): self.kept_nothing,
            ("POST", "/v1/responses/", "/cancel"): self.kept_nothing,
        }
        return Routes(exact, kept)

    async def tokenize(self, exchange: HttpExchange) -> None:
        """Counted here by the model's own tokenizer, else by the engine that has it."""
        fields = validation.parse(exchange.body)
        try:
            counted = await self.tokens.count(fields)
        except NotSupported:
            # Ours counts each message for itself, which no engine does.
            if not isinstance(fields.get("prompt"), str) and "add_generation_prompt" not in fields:
                raise
            await self._pass(exchange, "/tokenize", fields, SSE)
            return
        await exchange.send_json(counted)

    async def detokenize(self, exchange: HttpExchange) -> None:
        """The text of token ids, here or by the engine."""
        fields = validation.tokens(validation.parse(exchange.body))
        try:
            text = await self.tokens.text(fields)
        except NotSupported:
            await self._pass(exchange, "/detokenize", fields, SSE)
            return
        await exchange.send_json({"prompt": text})

    async def kept_nothing(self, exchange: HttpExchange) -> None:
        """Answers are not kept: 501."""
        raise NotSupported("this pool keeps no answers: ask with the whole conversation", source="pool")

    def _passing(self, path: str, check: Check, writer: Writer) -> Callable[[HttpExchange], Awaitable[None]]:
        async def handler(exchange: HttpExchange) -> None:
            await self._pass(exchange, path, check(validation.parse(exchange.body)), writer)

        return handler

    async def _pass(self, exchange: HttpExchange, path: str, fields: JsonObject, writer: Writer) -> None:
        model = fields["model"]
        if model in VIRTUAL and getattr(self.catalog, model) is not None:
            raise NotSupported(f"{model} answers at /v1/chat/completions: name a model here", param="model")
        upstream = UpstreamRequest(path, fields, exchange.body)
        stream = fields.get("stream") is True
        await self.inference.answer(exchange, PoolRequest(upstream, model, writer, stream))
