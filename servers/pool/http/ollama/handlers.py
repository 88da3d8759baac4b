"""Ollama's HTTP API over the pool: its clients talk to our models unchanged. No decision is made here."""

import time
from collections.abc import Set
from datetime import UTC, datetime, timedelta

import orjson

from servers.pool.catalog.catalog import AUTO, CONSENSUS, Catalog, ModelSpec
from servers.pool.engines.availability import Availability
from servers.pool.http import validation
from servers.pool.http.app import Handler, Routes
from servers.pool.http.exchange import HttpExchange
from servers.pool.http.inference import Inference
from servers.pool.http.ollama import requests
from servers.pool.http.ollama.writer import EmbeddingsWriter, NdjsonWriter, TextField, nanos, stamp
from servers.pool.http.request import PoolRequest
from servers.pool.routing.needs import abilities
from servers.pool.routing.policy import context_window
from servers.pool.scheduling.admission import Admission
from servers.pool.scheduling.instance import Phase
from servers.pool.scheduling.scheduler import Scheduler
from servers.pool.upstream.backend import UpstreamRequest
from tools.errors import NotSupported
from tools.schema import JsonObject

GENERAL = "general"
OLLAMA_API = "0.9.0"
"""Which has thinking and streamed tool calls; editors refuse to talk to one before 0.6.4."""
OLLAMA_WORDS = {"tools": "tools", "images": "vision"}
"""What the catalogue calls abilities, as Ollama's clients know them."""
NOT_OURS = ("create", "push", "pull", "delete", "copy")


class OllamaHandlers:
    """Ollama's paths over one pool."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        availability: Availability,
        scheduler: Scheduler,
        admission: Admission,
        inference: Inference,
    ) -> None:
        self.catalog, self.availability, self.scheduler = catalog, availability, scheduler
        self.admission, self.inference = admission, inference

    @property
    def routes(self) -> Routes:
        """Their paths; what changes Ollama's own store is refused."""
        exact: dict[tuple[str, str], Handler] = {
            ("POST", "/api/chat"): self.chat,
            ("POST", "/api/generate"): self.generate,
            ("POST", "/api/embed"): self.embed,
            ("POST", "/api/embeddings"): self.embeddings,
            ("POST", "/api/show"): self.show,
            ("GET", "/api/tags"): self.tags,
            ("GET", "/api/ps"): self.running,
            ("GET", "/api/version"): self.version,
            ("GET", "/"): self.alive,
            ("HEAD", "/"): self.alive,
        }
        for verb in NOT_OURS:
            exact["DELETE" if verb == "delete" else "POST", f"/api/{verb}"] = self.not_ours
        return Routes(exact)

    async def chat(self, exchange: HttpExchange) -> None:
        """A conversation; without messages, load or unload the model."""
        given = validation.parse(exchange.body)
        if given.get("messages") == [] or "messages" not in given:
            await self._load_only(exchange, given, {"message": {"role": "assistant", "content": ""}})
            return
        fields = validation.chat(requests.chat(given))
        await self._answer(exchange, given, "/v1/chat/completions", fields, chat=True, text_field="message")

    async def generate(self, exchange: HttpExchange) -> None:
        """A prompt; without one, load or unload the model."""
        given = validation.parse(exchange.body)
        if not given.get("prompt"):
            await self._load_only(exchange, given, {"response": ""})
            return
        path, fields = requests.generate(given)
        chat = "messages" in fields
        checked = validation.chat(fields) if chat else validation.completion(fields)
        await self._answer(exchange, given, path, checked, chat=chat, text_field="response")

    async def embed(self, exchange: HttpExchange) -> None:
        """Vectors of many texts."""
        await self._embed(exchange, many=True)

    async def embeddings(self, exchange: HttpExchange) -> None:
        """The older path: the vector of one text."""
        await self._embed(exchange, many=False)

    async def show(self, exchange: HttpExchange) -> None:
        """One model's facts."""
        name = requests.model_name(validation.parse(exchange.body))
        family, kind, held = GENERAL, "chat", None
        able: Set[str] = frozenset({"tools"})
        if name not in self._virtual:
            spec = self.catalog.spec(name)
            family, kind, held = spec.domain, spec.kind, spec.context_tokens or context_window(spec.args)
            able = abilities(spec)
        does = ["embedding"] if kind == "embedding" else ["completion", *(OLLAMA_WORDS.keys() & able)]
        facts: JsonObject = {"general.architecture": family, "general.basename": name}
        if held is not None:
            facts[f"{family}.context_length"] = held
        about = {
            "license": "",
            "modelfile": "",
            "template": "",
            "capabilities": [OLLAMA_WORDS.get(word, word) for word in does],
        }
        about["parameters"] = "" if held is None else f"num_ctx {held}"
        await exchange.send_json(
            {**about, "modified_at": stamp(), "details": _details(family), "model_info": facts}
        )

    async def tags(self, exchange: HttpExchange) -> None:
        """The models that can serve."""
        here = [spec for spec in self.catalog.models.values() if self.availability.of(spec).backends]
        items = [self._item(spec) for spec in here]
        items += [_item(name, GENERAL, 0) for name in self._virtual]
        await exchange.send_json({"models": [{**item, "modified_at": stamp()} for item in items]})

    async def running(self, exchange: HttpExchange) -> None:
        """The models that are loaded, and until when."""
        now = time.monotonic()
        loaded: list[JsonObject] = []
        for spec in self.catalog.models.values():
            instance = self.scheduler.instances[spec.engine]
            if instance.managed and instance.phase in (Phase.READY, Phase.DRAINING):
                idle_at = now if instance.in_flight else instance.last_used_at
                until = datetime.now(UTC) + timedelta(seconds=max(0.0, idle_at + instance.idle_s - now))
                expires = until.isoformat().replace("+00:00", "Z")
                loaded.append({**self._item(spec), "expires_at": expires, "size_vram": instance.memory_bytes})
        await exchange.send_json({"models": loaded})

    async def version(self, exchange: HttpExchange) -> None:
        """The version of Ollama whose API this is: clients ask for features by it."""
        await exchange.send_json({"version": OLLAMA_API})

    async def alive(self, exchange: HttpExchange) -> None:
        """What Ollama says at its root, by which clients know that it is there."""
        await exchange.send(200, b"Ollama is running", [(b"content-type", b"text/plain; charset=utf-8")])

    async def not_ours(self, exchange: HttpExchange) -> None:
        """Models come from the catalogue: 501."""
        what = exchange.path.rpartition("/")[2]
        raise NotSupported(f"this pool's models come from its catalogue: no {what}", source="pool")

    async def _answer(
        self,
        exchange: HttpExchange,
        given: JsonObject,
        path: str,
        fields: JsonObject,
        *,
        chat: bool,
        text_field: TextField,
    ) -> None:
        keep = requests.keep_alive(given)
        model, stream = fields["model"], fields["stream"]
        if model == CONSENSUS:
            why = "a consensus answers at /v1/chat/completions, with its members' answers"
            raise NotSupported(why, param="model", source="pool")
        writer = NdjsonWriter(model, chat=chat, text_field=text_field)
        request = PoolRequest(UpstreamRequest(path, fields, orjson.dumps(fields)), model, writer, stream)
        writer.request = request
        try:
            await self.inference.answer(exchange, request)
        finally:
            self._keep(model, keep)

    async def _embed(self, exchange: HttpExchange, *, many: bool) -> None:
        given = validation.parse(exchange.body)
        fields = validation.embedding(requests.embed(given))
        model = fields["model"]
        upstream = UpstreamRequest("/v1/embeddings", fields, orjson.dumps(fields))
        request = PoolRequest(upstream, model, EmbeddingsWriter(model, many=many), stream=False)
        await self.inference.answer(exchange, request)
        self._keep(model, requests.keep_alive(given))

    async def _load_only(self, exchange: HttpExchange, given: JsonObject, empty: JsonObject) -> None:
        """No question means: load the model, or unload it when `keep_alive` is 0."""
        name, keep = requests.model_name(given), requests.keep_alive(given)
        spec, began = self.catalog.spec(name), time.monotonic()
        if keep != 0:
            await self.admission.load(self.availability.instances(spec)[0])
        self._keep(name, keep)
        took = nanos(time.monotonic() - began)
        reason = {"done": True, "done_reason": "load" if keep != 0 else "unload", "load_duration": took}
        await exchange.send_json(
            {"model": name, "created_at": stamp(), **empty, **reason, "total_duration": took}
        )

    def _keep(self, name: str, seconds: float | None) -> None:
        """Keep a model loaded for so long after its last request; 0 unloads it, None changes nothing."""
        instance = self.scheduler.instances.get(name)
        if seconds is None or instance is None or not instance.managed:
            return
        if seconds == 0:
            self.admission.unload(name)
        else:
            instance.idle_s = seconds

    def _item(self, spec: ModelSpec) -> JsonObject:
        size = self.scheduler.instances[spec.engine].memory_bytes
        return _item(spec.id, spec.domain, size)

    @property
    def _virtual(self) -> tuple[str, ...]:
        """The name that the router serves, where the catalogue opens it."""
        return (AUTO,) if self.catalog.auto else ()


def _item(name: str, family: str, size: int) -> JsonObject:
    return {"name": name, "model": name, "size": size, "digest": name, "details": _details(family)}


def _details(family: str) -> JsonObject:
    return {
        "parent_model": "",
        "format": "safetensors",
        "family": family,
        "families": [family],
        "parameter_size": "",
        "quantization_level": "",
    }
