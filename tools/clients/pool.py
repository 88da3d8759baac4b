"""Client of the model pool: route, chat (streamed), tokens, models loaded and unloaded, statistics."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NotRequired, TypeAlias
from urllib.parse import quote

from typing_extensions import TypedDict

from tools.clients.credentials import Credentials
from tools.clients.http import Http, open_http
from tools.errors import UpstreamFailed
from tools.schema import JsonObject, Route
from tools.settings import Settings

Message: TypeAlias = JsonObject
"""A chat message in OpenAI's shape."""


NOT_GENERATING = frozenset({"extractive", "auto", "consensus"})
"""Models that answer with others' words: from the documents, or from another model."""


class ModelInfo(TypedDict):
    """An item of `/v1/models`; agents have no domain or status, `reason` says why it is not available,
    `ready` whether it answers without being loaded first."""

    id: str
    description: NotRequired[str]
    domain: NotRequired[str]
    kind: NotRequired[str]
    status: NotRequired[str]
    available: NotRequired[bool]
    reason: NotRequired[str | None]
    ready: NotRequired[bool]
    context_tokens: NotRequired[int | None]


class Pool:
    """Typed verbs over the pool's OpenAI-shaped API. Raises `tools.errors`."""

    def __init__(self, http: Http) -> None:
        self.http = http

    async def route(
        self, messages: Sequence[Message], *, previous: str | None = None, quality: float | None = None
    ) -> Route:
        """Which model `auto` would choose, without generating; `previous` answered last in this
        conversation, `quality` (0 to 1) is the wish between the cheapest and the best."""
        options = {"previous": previous or None, "quality": quality}
        asked = {name: value for name, value in options.items() if value is not None}
        body = {"messages": list(messages), **({"route": asked} if asked else {})}
        return Route.model_validate(await self.http.json("POST", "/v1/route", json=body))

    async def feedback(
        self, messages: Sequence[Message], *, signal: str, model: str, better: str | None = None
    ) -> None:
        """Tell the router what became of an answer by `model`: `up`, `down`, `regenerated`, `escalated` or
        `ungrounded`; `better` is the model that did it better. The pool keeps no text. Raises BadRequest,
        ModelNotFound."""
        body = {"messages": list(messages), "signal": signal, "model": model}
        if better:
            body["better"] = better
        await self.http.json("POST", "/v1/route/feedback", json=body)

    async def route_feedback(self) -> JsonObject:
        """What the caller's house has said of the router, and the correction in force."""
        return await self.http.json("GET", "/v1/route/feedback")

    async def reset_feedback(self) -> JsonObject:
        """Forget it, and route as shipped."""
        return await self.http.json("DELETE", "/v1/route/feedback")

    async def refit_router(self) -> list[JsonObject]:
        """Fit the corrections anew, for the platform those of all houses; how each was judged."""
        return (await self.http.json("POST", "/v1/route/feedback/refit"))["houses"]

    async def begin_load(self, model: str) -> None:
        """Let the pool load a model as a request for it would; returns at once. Raises ModelUnavailable."""
        body = {"messages": [{"role": "user", "content": "·"}], "route": {"model": model}, "begin_load": True}
        await self.http.json("POST", "/v1/route", json=body)

    async def model(self, name: str) -> ModelInfo:
        """One model of the catalogue. Raises ModelNotFound."""
        return await self.http.json("GET", f"/v1/models/{quote(name, safe='')}")

    async def chat(
        self, messages: Sequence[Message], *, model: str, **options: Any
    ) -> AsyncGenerator[JsonObject, None]:
        """OpenAI chat completion chunks as they arrive; an end without a finish reason is a failure."""
        request = {"model": model, "messages": list(messages), "stream": True, **options}
        finished = False
        async for _, chunk in self.http.events("POST", "/v1/chat/completions", json=request):
            finished = finished or any(choice.get("finish_reason") for choice in chunk.get("choices", []))
            yield chunk
        if not finished:
            raise UpstreamFailed("the model's answer was cut off", source="pool")

    async def count_tokens(self, messages: Sequence[Message], *, model: str) -> list[int]:
        """Tokens of each message, counted by the model's tokenizer. Raises NotSupported without it."""
        request = {"model": model, "messages": list(messages)}
        return (await self.http.json("POST", "/tokenize", json=request))["counts"]

    async def models(self) -> list[ModelInfo]:
        """The catalogue."""
        return (await self.http.json("GET", "/v1/models"))["data"]

    async def generators(self) -> list[str]:
        """Ids of the models that are available and write text of their own."""
        return [
            model["id"]
            for model in await self.models()
            if model.get("available")
            and model.get("kind", "chat") == "chat"
            and model["id"] not in NOT_GENERATING
        ]

    async def complete(self, prompt: str, *, model: str, **options: Any) -> str:
        """The whole answer to one prompt; `options` are OpenAI's (`max_tokens`, …)."""
        text: list[str] = []
        async for chunk in self.chat([{"role": "user", "content": prompt}], model=model, **options):
            text += [choice.get("delta", {}).get("content") or "" for choice in chunk.get("choices", [])]
        return "".join(text)

    async def load(self, model: str) -> ModelInfo:
        """Load a model and wait for it. Raises ModelNotFound, ModelUnavailable, UpstreamSilent."""
        return await self.http.json("POST", f"/v1/models/{model}/load", timeout=None)

    async def unload(self, model: str) -> ModelInfo:
        """Begin to unload a model; what it is answering ends first. Raises ModelNotFound."""
        return await self.http.json("POST", f"/v1/models/{model}/unload")

    async def stats(self) -> JsonObject:
        """What `/stats` says: slots, queues, counters and the last decisions, per model and in all."""
        return await self.http.json("GET", "/stats")


@asynccontextmanager
async def open_pool(settings: Settings) -> AsyncIterator[Pool]:
    """The pool's client, for whom the caller acts; connections live as long as the block."""
    timeout = longest_s(settings)
    async with open_http(settings.pool_url, "pool", auth=Credentials(settings), timeout=timeout) as http:
        yield Pool(http)


def longest_s(settings: Settings) -> float:
    """How long the pool may be silent: a load may take minutes; it bounds that and answers 504 itself."""
    return settings.pool.load_s + settings.pool.queue_wait_s + settings.pool.first_token_s
