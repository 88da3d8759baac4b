"""HTTP in, HTTP out: which path is which verb of the pool. No decision is made here."""

import time
from typing import Any

from servers.pool import check, manual, report, tokens
from servers.pool import consensus_door as consensus
from servers.pool.answer import answer
from servers.pool.catalog import VIRTUAL
from servers.pool.door import JSON, Exchange, Handler
from servers.pool.ollama.routes import OllamaRoutes
from servers.pool.order import Order
from servers.pool.pool import Pool
from servers.pool.route_order import routed
from servers.pool.sink import EVENTS
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
        self.exact.update(OllamaRoutes(lambda: self.open).exact)
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
        request = check.chat(check.parse(exchange.body))
        if request["model"] == consensus.NAME and self.open.catalog.consensus:
            await consensus.serve(self.open, exchange, request)
            return
        await self._answer(exchange, request)

    async def completions(self, exchange: Exchange) -> None:
        await self._answer(exchange, check.completion(check.parse(exchange.body)))

    async def embeddings(self, exchange: Exchange) -> None:
        await self._answer(exchange, check.embedding(check.parse(exchange.body)))

    async def route(self, exchange: Exchange) -> None:
        request = check.chat({"model": "auto", **check.parse(exchange.body)})
        panel = consensus.panel_for(self.open, request)
        route = routed(self.open, exchange, request).model_dump()
        await exchange.json({**route, "consensus": consensus.summary(panel)})

    async def tokenize(self, exchange: Exchange) -> None:
        await exchange.json(await tokens.count(self.open, check.parse(exchange.body)))

    async def models(self, exchange: Exchange) -> None:
        await exchange.json({"object": "list", "data": report.models(self.open)})

    async def model(self, exchange: Exchange) -> None:
        pool = self.open
        if exchange.name in VIRTUAL and report.virtual_is_there(pool, exchange.name):
            await exchange.json(report.virtual(pool, exchange.name))
            return
        await exchange.json(report.model(pool, pool.catalog.spec(exchange.name)))

    async def load(self, exchange: Exchange) -> None:
        """Returns when the model is loaded; joins a load that runs."""
        pool = self.open
        spec = pool.catalog.spec(exchange.name)
        await pool.load(spec)
        await exchange.json(report.model(pool, spec))

    async def unload(self, exchange: Exchange) -> None:
        """Returns at once; what runs on the model ends first."""
        pool = self.open
        spec = pool.catalog.spec(exchange.name)
        if not spec.local:
            raise NotSupported(f"{spec.id} is not loaded by this pool", param="model", source="pool")
        pool.scheduler.unload(spec.id, time.monotonic())
        await exchange.json(report.model(pool, spec))

    async def live(self, exchange: Exchange) -> None:
        await exchange.json({"status": "ok", "service": "pool"})

    async def health(self, exchange: Exchange) -> None:
        state = report.health(self.open)
        await exchange.json({"service": "pool", **state}, status=503 if state["status"] == "down" else 200)

    async def stats(self, exchange: Exchange) -> None:
        await exchange.json(report.stats(self.open))

    async def metrics(self, exchange: Exchange) -> None:
        await exchange.whole(200, report.metrics(self.open), METRICS)

    async def openapi(self, exchange: Exchange) -> None:
        await exchange.whole(200, manual.as_json(), [JSON])

    async def docs(self, exchange: Exchange) -> None:
        await exchange.whole(200, manual.page(), HTML)

    async def _answer(self, exchange: Exchange, request: dict[str, Any]) -> None:
        model, stream = request["model"], request.get("stream") is True
        if model == "auto" and "messages" not in request:
            raise BadRequest("auto chooses for conversations; name a model", param="model", source="pool")
        order = Order(exchange.path, request, exchange.body, model, EVENTS, stream)
        await answer(self.open, exchange, order)
