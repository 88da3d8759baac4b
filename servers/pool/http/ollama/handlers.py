"""The pool as an Ollama: its clients talk to our models unchanged. HTTP only; the pool does the work."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

import orjson

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.http import validation
from servers.pool.http.app import Exchange, Handler
from servers.pool.http.chat import answer
from servers.pool.http.ollama import requests
from servers.pool.http.ollama.writer import NdjsonWriter, nanos, stamp
from servers.pool.http.request import PoolRequest
from servers.pool.http.writer import EVENTS, Events
from servers.pool.pool import Pool
from servers.pool.scheduling.instance import Phase
from tools.errors import NotSupported

NOT_OURS = ("create", "push", "pull", "delete", "copy")


class Embeddings(Events):
    """OpenAI's vectors as `/api/embed` (many) or the older `/api/embeddings` (one) says them."""

    def __init__(self, model: str, *, many: bool) -> None:
        self.model, self.many = model, many
        self.began = time.monotonic()

    def whole(self, said: dict[str, Any], body: bytes) -> bytes:
        vectors = [item["embedding"] for item in said.get("data") or []]
        if not self.many:
            return orjson.dumps({"embedding": vectors[0] if vectors else []})
        read = (said.get("usage") or {}).get("prompt_tokens", 0)
        took = nanos(time.monotonic() - self.began)
        return orjson.dumps(
            {"model": self.model, "embeddings": vectors, "total_duration": took, "prompt_eval_count": read}
        )


class OllamaHandlers:
    """`exact` maps Ollama's paths; `pool` gives the open pool."""

    def __init__(self, pool: Callable[[], Pool]) -> None:
        self.pool = pool
        self.exact: dict[tuple[str, str], Handler] = {
            ("POST", "/api/chat"): self.chat,
            ("POST", "/api/generate"): self.generate,
            ("POST", "/api/embed"): self.embed,
            ("POST", "/api/embeddings"): self.embeddings,
            ("POST", "/api/show"): self.show,
            ("GET", "/api/tags"): self.tags,
            ("GET", "/api/ps"): self.running,
            ("GET", "/api/version"): self.version,
        }
        for verb in NOT_OURS:
            self.exact["DELETE" if verb == "delete" else "POST", f"/api/{verb}"] = self.not_ours

    async def chat(self, exchange: Exchange) -> None:
        given = validation.parse(exchange.body)
        if given.get("messages") == [] or "messages" not in given:
            await self._load_only(exchange, given, {"message": {"role": "assistant", "content": ""}})
            return
        await self._answer(
            exchange, given, "/v1/chat/completions", validation.chat(requests.chat(given)), chat=True
        )

    async def generate(self, exchange: Exchange) -> None:
        given = validation.parse(exchange.body)
        if not given.get("prompt"):
            await self._load_only(exchange, given, {"response": ""})
            return
        path, request = requests.generate(given)
        checked = validation.chat(request) if "messages" in request else validation.completion(request)
        await self._answer(exchange, given, path, checked, chat="messages" in request, generate=True)

    async def embed(self, exchange: Exchange) -> None:
        await self._embed(exchange, many=True)

    async def embeddings(self, exchange: Exchange) -> None:
        await self._embed(exchange, many=False)

    async def show(self, exchange: Exchange) -> None:
        pool = self.pool()
        spec = pool.catalog.spec(requests.named(validation.parse(exchange.body)))
        does = ["embedding"] if spec.kind == "embedding" else ["completion", "tools"]
        about = {"license": "", "modelfile": "", "parameters": "", "template": "", "capabilities": does}
        facts = {"general.architecture": spec.domain, "general.basename": spec.id}
        await exchange.json({**about, "modified_at": stamp(), "details": _details(spec), "model_info": facts})

    async def tags(self, exchange: Exchange) -> None:
        pool = self.pool()
        here = [spec for spec in pool.catalog.models.values() if pool.availability.engine(spec).kind]
        await exchange.json({"models": [{**_item(pool, spec), "modified_at": stamp()} for spec in here]})

    async def running(self, exchange: Exchange) -> None:
        pool, now = self.pool(), time.monotonic()
        loaded: list[dict[str, Any]] = []
        for spec in pool.catalog.models.values():
            instance = pool.scheduler.instances[spec.id]
            if instance.managed and instance.phase in (Phase.READY, Phase.DRAINING):
                left = (
                    instance.idle_s if instance.in_flight else instance.last_used_at + instance.idle_s - now
                )
                until = datetime.now(UTC) + timedelta(seconds=max(0.0, left))
                expires = until.isoformat().replace("+00:00", "Z")
                loaded.append(
                    {**_item(pool, spec), "expires_at": expires, "size_vram": instance.memory_bytes}
                )
        await exchange.json({"models": loaded})

    async def version(self, exchange: Exchange) -> None:
        await exchange.json({"version": version("capibara6")})

    async def not_ours(self, exchange: Exchange) -> None:
        what = exchange.path.rpartition("/")[2]
        raise NotSupported(f"this pool's models come from its catalogue: no {what}", source="pool")

    async def _answer(
        self,
        exchange: Exchange,
        given: dict[str, Any],
        path: str,
        request: dict[str, Any],
        *,
        chat: bool,
        generate: bool = False,
    ) -> None:
        pool, model = self.pool(), request["model"]
        keep = requests.keep_alive(given)
        body = orjson.dumps(request)
        order = PoolRequest(path, request, body, model, EVENTS, request["stream"])
        order.writer = NdjsonWriter(
            model, chat=chat, said="response" if generate else "message", place=lambda: order.reservation
        )
        try:
            await answer(pool, exchange, order)
        finally:
            self._keep(model, keep)

    async def _embed(self, exchange: Exchange, *, many: bool) -> None:
        given = validation.parse(exchange.body)
        request = validation.embedding(requests.embed(given))
        writer = Embeddings(request["model"], many=many)
        order = PoolRequest("/v1/embeddings", request, orjson.dumps(request), request["model"], writer, False)
        await answer(self.pool(), exchange, order)
        self._keep(request["model"], requests.keep_alive(given))

    async def _load_only(self, exchange: Exchange, given: dict[str, Any], empty: dict[str, Any]) -> None:
        """No question means: load the model, or unload it when `keep_alive` is 0."""
        pool, name, keep = self.pool(), requests.named(given), requests.keep_alive(given)
        spec, began = pool.catalog.spec(name), time.monotonic()
        if keep != 0:
            await pool.load(spec)
        self._keep(name, keep)
        took = nanos(time.monotonic() - began)
        reason = {"done": True, "done_reason": "load" if keep != 0 else "unload", "load_duration": took}
        await exchange.json({"model": name, "created_at": stamp(), **empty, **reason, "total_duration": took})

    def _keep(self, name: str, seconds: float | None) -> None:
        instance = self.pool().scheduler.instances.get(name)
        if seconds is None or instance is None or not instance.managed:
            return
        if seconds == 0:
            self.pool().scheduler.unload(name, time.monotonic())
        else:
            instance.idle_s = seconds


def _details(spec: ModelSpec) -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "safetensors",
        "family": spec.domain,
        "families": [spec.domain],
        "parameter_size": "",
        "quantization_level": "",
    }


def _item(pool: Pool, spec: ModelSpec) -> dict[str, Any]:
    size = pool.scheduler.instances[spec.id].memory_bytes
    return {"name": spec.id, "model": spec.id, "size": size, "digest": spec.id, "details": _details(spec)}
