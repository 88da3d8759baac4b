"""The pool's own paths: each handler reads HTTP, calls one verb and writes HTTP. No decision is made here."""

import asyncio

from servers.pool.catalog.catalog import Catalog
from servers.pool.catalog.options import validate_options
from servers.pool.engines.availability import Availability
from servers.pool.feedback import Feedback, RouteFeedback
from servers.pool.http import consensus, openapi, validation
from servers.pool.http.app import Routes
from servers.pool.http.exchange import JSON, HttpExchange
from servers.pool.http.inference import Inference
from servers.pool.http.metrics import PoolMetrics
from servers.pool.http.model_list import ModelList
from servers.pool.http.request import PoolRequest
from servers.pool.http.routing import AutoRouter, conversation, tenant_of
from servers.pool.http.status import Status
from servers.pool.http.writer import SSE
from servers.pool.routing.choose import understand
from servers.pool.scheduling.admission import Admission
from servers.pool.upstream.backend import UpstreamRequest
from tools.errors import BadRequest, NotSupported
from tools.schema import JsonObject

HTML = [(b"content-type", b"text/html; charset=utf-8")]
METRICS = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")]


class InferenceHandlers:
    """What is asked of models, on OpenAI's paths, and where `auto` would send it."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        inference: Inference,
        consensus: consensus.ConsensusHandler,
        router: AutoRouter,
    ) -> None:
        self.catalog, self.inference, self.consensus, self.router = catalog, inference, consensus, router

    @property
    def routes(self) -> Routes:
        """Their paths."""
        return Routes(
            {
                ("POST", "/v1/chat/completions"): self.chat,
                ("POST", "/v1/completions"): self.completions,
                ("POST", "/v1/embeddings"): self.embeddings,
                ("POST", "/v1/route"): self.route,
            }
        )

    async def chat(self, exchange: HttpExchange) -> None:
        """OpenAI's chat completion, by one model, `auto` or `consensus`."""
        fields = validation.chat(validation.parse(exchange.body))
        if fields["model"] == consensus.NAME and self.catalog.consensus:
            await self.consensus.serve(exchange, fields)
            return
        await self._answer(exchange, fields)

    async def completions(self, exchange: HttpExchange) -> None:
        """OpenAI's text completion."""
        await self._answer(exchange, validation.completion(validation.parse(exchange.body)))

    async def embeddings(self, exchange: HttpExchange) -> None:
        """OpenAI's embeddings."""
        await self._answer(exchange, validation.embedding(validation.parse(exchange.body)))

    async def route(self, exchange: HttpExchange) -> None:
        """The router's decision and the consensus that would be asked, without generating."""
        fields = validation.chat({"model": "auto", **conversation(validation.parse(exchange.body))})
        begin = fields.pop("begin_load", False)
        if not isinstance(begin, bool):
            message = "begin_load: must be true or false"
            raise BadRequest(message, param="begin_load", source="pool", code="invalid_value")
        plan = self.consensus.plan_for(fields)
        route = self.router.decide(exchange, fields)
        if begin:
            self.inference.begin_load(route.model)
        await exchange.send_json({**route.model_dump(), "consensus": consensus.summary(plan)})

    async def _answer(self, exchange: HttpExchange, fields: JsonObject) -> None:
        model, stream = fields["model"], fields.get("stream") is True
        if model == "auto" and "messages" not in fields:
            raise BadRequest("auto chooses for conversations; name a model", param="model", source="pool")
        upstream = UpstreamRequest(exchange.path, fields, exchange.body)
        await self.inference.answer(exchange, PoolRequest(upstream, model, SSE, stream))


class FeedbackHandlers:
    """What a house says of the router's choices, and what was learnt of it. A tenant sees its own alone."""

    def __init__(self, catalog: Catalog, feedback: Feedback) -> None:
        self.catalog, self.feedback = catalog, feedback

    @property
    def routes(self) -> Routes:
        """Their paths."""
        path = "/v1/route/feedback"
        return Routes(
            {
                ("POST", path): self.record,
                ("GET", path): self.inspect,
                ("DELETE", path): self.reset,
                ("POST", f"{path}/refit"): self.refit,
            }
        )

    async def record(self, exchange: HttpExchange) -> None:
        """Note a word on one answer; no text is kept."""
        fields = validation.parse(exchange.body)
        messages = validation.chat({"model": "auto", "messages": fields.pop("messages", None)})["messages"]
        said = validate_options(RouteFeedback, fields, field="feedback")
        domain = self.catalog.spec(said.model).domain
        better = self.catalog.spec(said.better).domain if said.better else None
        shipped = understand(messages).classification
        tenant = tenant_of(exchange)
        house = self.feedback.record(tenant, shipped, said.signal, domain=domain, better=better)
        await exchange.send_json({"recorded": True, "events": len(house.events)})

    async def inspect(self, exchange: HttpExchange) -> None:
        """What was heard, and what is in force."""
        await exchange.send_json(self.feedback.house(tenant_of(exchange)).to_json())

    async def reset(self, exchange: HttpExchange) -> None:
        """Back to the router as it was shipped."""
        await exchange.send_json(self.feedback.reset(tenant_of(exchange)).to_json())

    async def refit(self, exchange: HttpExchange) -> None:
        """Fit anew: for the platform every house, for others their own."""
        principal = exchange.principal
        everybody = principal is not None and principal.platform
        tenants = self.feedback.tenants() if everybody else [tenant_of(exchange)]
        houses: list[JsonObject] = []
        for tenant in tenants:
            houses.append(self.feedback.refit(tenant).to_json())
            await asyncio.sleep(0)
        await exchange.send_json({"houses": houses})


class ModelHandlers:
    """What there is, loading and unloading."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        models: ModelList,
        availability: Availability,
        admission: Admission,
    ) -> None:
        self.catalog, self.list, self.availability = catalog, models, availability
        self.admission = admission

    @property
    def routes(self) -> Routes:
        """Their paths."""
        return Routes(
            {("GET", "/v1/models"): self.models},
            {
                ("GET", "/v1/models/", ""): self.model,
                ("POST", "/v1/models/", "/load"): self.load,
                ("POST", "/v1/models/", "/unload"): self.unload,
            },
        )

    async def models(self, exchange: HttpExchange) -> None:
        """All models."""
        await exchange.send_json({"object": "list", "data": self.list.all()})

    async def model(self, exchange: HttpExchange) -> None:
        """One model."""
        await exchange.send_json(self.list.one(exchange.path_model))

    async def load(self, exchange: HttpExchange) -> None:
        """Returns when the model is loaded; joins a load that runs."""
        spec = self.catalog.spec(exchange.path_model)
        await self.admission.load(self.availability.instances(spec)[0])
        await exchange.send_json(self.list.describe(spec))

    async def unload(self, exchange: HttpExchange) -> None:
        """Returns at once; what runs on the model ends first."""
        spec = self.catalog.spec(exchange.path_model)
        if not spec.local:
            raise NotSupported(f"{spec.id} is not loaded by this pool", param="model", source="pool")
        self.admission.unload(spec.engine)
        await exchange.send_json(self.list.describe(spec))


class StatusHandlers:
    """Health, statistics, metrics and the documentation."""

    def __init__(self, *, status: Status, metrics: PoolMetrics) -> None:
        self.status, self.collected = status, metrics

    @property
    def routes(self) -> Routes:
        """Their paths."""
        return Routes(
            {
                ("GET", "/health"): self.health,
                ("GET", "/health/ready"): self.health,
                ("GET", "/health/live"): self.live,
                ("GET", "/stats"): self.stats,
                ("GET", "/metrics"): self.metrics,
                ("GET", "/openapi.json"): self.openapi,
                ("GET", "/docs"): self.docs,
            }
        )

    async def live(self, exchange: HttpExchange) -> None:
        """The process answers."""
        await exchange.send_json({"status": "ok", "service": "pool"})

    async def health(self, exchange: HttpExchange) -> None:
        """503 when something is stuck."""
        state = self.status.health()
        await exchange.send_json(
            {"service": "pool", **state}, status=503 if state["status"] == "down" else 200
        )

    async def stats(self, exchange: HttpExchange) -> None:
        """What runs, waits and was served."""
        await exchange.send_json(self.status.stats())

    async def metrics(self, exchange: HttpExchange) -> None:
        """Prometheus' text format."""
        await exchange.send(200, self.collected.text(), METRICS)

    async def openapi(self, exchange: HttpExchange) -> None:
        """The OpenAPI document."""
        await exchange.send(200, openapi.as_json(), [JSON])

    async def docs(self, exchange: HttpExchange) -> None:
        """The document as a page."""
        await exchange.send(200, openapi.page(), HTML)
