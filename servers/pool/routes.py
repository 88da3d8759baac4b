"""HTTP in, HTTP out: which path is which verb of the pool. No decision is made here."""

from typing import Any

from servers.pool import check
from servers.pool.answer import Order, answer
from servers.pool.door import Exchange, Handler
from servers.pool.pool import Pool
from servers.pool.route import choose
from tools.errors import BadRequest


class Routes:
    """The verbs of one pool; `exact` and `prefixed` are what the door looks requests up in."""

    def __init__(self) -> None:
        self.pool: Pool | None = None
        self.exact: dict[tuple[str, str], Handler] = {
            ("POST", "/v1/chat/completions"): self.chat,
            ("POST", "/v1/completions"): self.completions,
            ("POST", "/v1/embeddings"): self.embeddings,
            ("POST", "/v1/route"): self.route,
            ("GET", "/v1/models"): self.models,
            ("GET", "/health"): self.health,
            ("GET", "/health/ready"): self.health,
            ("GET", "/health/live"): self.live,
            ("GET", "/stats"): self.stats,
        }
        self.prefixed: dict[tuple[str, str, str], Handler] = {("GET", "/v1/models/", ""): self.model}

    @property
    def open(self) -> Pool:
        assert self.pool is not None, "the lifespan opens the pool before requests come"
        return self.pool

    async def chat(self, exchange: Exchange) -> None:
        await self._answer(exchange, check.chat(check.parse(exchange.body)))

    async def completions(self, exchange: Exchange) -> None:
        await self._answer(exchange, check.completion(check.parse(exchange.body)))

    async def embeddings(self, exchange: Exchange) -> None:
        await self._answer(exchange, check.embedding(check.parse(exchange.body)))

    async def route(self, exchange: Exchange) -> None:
        request = check.parse(exchange.body)
        check.chat({"model": "auto", **request})
        route = choose(request["messages"], self.open.catalog, self.open.state())
        await exchange.json(route.model_dump())

    async def models(self, exchange: Exchange) -> None:
        await exchange.json({"object": "list", "data": self.open.models()})

    async def model(self, exchange: Exchange) -> None:
        pool = self.open
        if exchange.name == "auto" and pool.catalog.auto:
            await exchange.json(pool.describe_auto())
            return
        await exchange.json(pool.describe(pool.catalog.spec(exchange.name)))

    async def live(self, exchange: Exchange) -> None:
        await exchange.json({"status": "ok", "service": "pool"})

    async def health(self, exchange: Exchange) -> None:
        await exchange.json({"status": "ok", "service": "pool"})

    async def stats(self, exchange: Exchange) -> None:
        await exchange.json({"models": self.open.models()})

    async def _answer(self, exchange: Exchange, request: dict[str, Any]) -> None:
        order = Order(exchange.path, request, exchange.body, request["model"])
        if order.model == "auto" and "messages" not in request:
            raise BadRequest("auto chooses for conversations; name a model", param="model", source="pool")
        await answer(self.open, exchange, order)
