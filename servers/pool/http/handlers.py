"""HTTP in, HTTP out: which path is which verb of the pool. No decision is made here."""

import time
from typing import Any

from servers.pool.catalog.catalog import VIRTUAL
from servers.pool.http import consensus, openapi, status, tokenize, validation
from servers.pool.http.app import JSON, Exchange, Handler
from servers.pool.http.chat import answer
from servers.pool.http.ollama.handlers import OllamaHandlers
from servers.pool.http.request import PoolRequest
from servers.pool.http.routing import routed
from servers.pool.http.writer import EVENTS
from servers.pool.pool import Pool
from tools.errors import BadRequest, NotSupported

HTML = [(b"content-type", b"text/html; charset=utf-8")]
METRICS = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")]


class Routes:
    """The verbs of one pool; `exact` and `prefixed` are what the door looks requests up in."""

    def __init__(self) -> None:
        self.pool: Pool | None = None
        self.exact: dict[tuple[str, str], Handler] = {
            ("POST", "/v1/chat/completions"): self.chat,
            ("POST", "/v1/completions"): self.completions,
            ("POST", "/v1/embeddings"): self.embeddings,
            ("POST", "/v1/route"): self.route,
            ("POST", "/tokenize"): self.tokenize,
            ("GET", "/v1/models"): self.models,
            ("GET", "/health"): self.health,
            ("GET", "/health/ready"): self.health,
            ("GET", "/health/live"): self.live,
            ("GET", "/stats"): self.stats,
            ("GET", "/metrics"): self.metrics,
            ("GET", "/openapi.json"): self.openapi,
            ("GET", "/docs"): self.docs,
        }
        self.exact.update(OllamaHandlers(lambda: self.open).exact)
        self.prefixed: dict[tuple[str, str, str], Handler] = {
            ("GET", "/v1/models/", ""): self.model,
            ("POST", "/v1/models/", "/load"): self.load,
            ("POST", "/v1/models/", "/unload"): self.unload,
        }

    @property
    def open(self) -> Pool:
        assert self.pool is not None, "the lifespan opens the pool before requests come"
        return self.pool

    async def chat(self, exchange: Exchange) -> None:
        request = validation.chat(validation.parse(exchange.body))
        if request["model"] == consensus.NAME and self.open.catalog.consensus:
            await consensus.serve(self.open, exchange, request)
            return
        await self._answer(exchange, request)

    async def completions(self, exchange: Exchange) -> None:
        await self._answer(exchange, validation.completion(validation.parse(exchange.body)))

    async def embeddings(self, exchange: Exchange) -> None:
        await self._answer(exchange, validation.embedding(validation.parse(exchange.body)))

    async def route(self, exchange: Exchange) -> None:
        request = validation.chat({"model": "auto", **validation.parse(exchange.body)})
        plan = consensus.plan_for(self.open, request)
        route = routed(self.open, exchange, request).model_dump()
        await exchange.json({**route, "consensus": consensus.summary(plan)})

    async def tokenize(self, exchange: Exchange) -> None:
        await exchange.json(await tokenize.count(self.open, validation.parse(exchange.body)))

    async def models(self, exchange: Exchange) -> None:
        await exchange.json({"object": "list", "data": status.models(self.open)})

    async def model(self, exchange: Exchange) -> None:
        pool = self.open
        if exchange.name in VIRTUAL and status.virtual_is_there(pool, exchange.name):
            await exchange.json(status.virtual(pool, exchange.name))
            return
        await exchange.json(status.model(pool, pool.catalog.spec(exchange.name)))

    async def load(self, exchange: Exchange) -> None:
        """Returns when the model is loaded; joins a load that runs."""
        pool = self.open
        spec = pool.catalog.spec(exchange.name)
        await pool.load(spec)
        await exchange.json(status.model(pool, spec))

    async def unload(self, exchange: Exchange) -> None:
        """Returns at once; what runs on the model ends first."""
        pool = self.open
        spec = pool.catalog.spec(exchange.name)
        if not spec.local:
            raise NotSupported(f"{spec.id} is not loaded by this pool", param="model", source="pool")
        pool.scheduler.unload(spec.id, time.monotonic())
        await exchange.json(status.model(pool, spec))

    async def live(self, exchange: Exchange) -> None:
        await exchange.json({"status": "ok", "service": "pool"})

    async def health(self, exchange: Exchange) -> None:
        state = status.health(self.open)
        await exchange.json({"service": "pool", **state}, status=503 if state["status"] == "down" else 200)

    async def stats(self, exchange: Exchange) -> None:
        await exchange.json(status.stats(self.open))

    async def metrics(self, exchange: Exchange) -> None:
        await exchange.whole(200, status.metrics(self.open), METRICS)

    async def openapi(self, exchange: Exchange) -> None:
        await exchange.whole(200, openapi.as_json(), [JSON])

    async def docs(self, exchange: Exchange) -> None:
        await exchange.whole(200, openapi.page(), HTML)

    async def _answer(self, exchange: Exchange, request: dict[str, Any]) -> None:
        model, stream = request["model"], request.get("stream") is True
        if model == "auto" and "messages" not in request:
            raise BadRequest("auto chooses for conversations; name a model", param="model", source="pool")
        order = PoolRequest(exchange.path, request, exchange.body, model, EVENTS, stream)
        await answer(self.open, exchange, order)
