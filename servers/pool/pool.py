"""The pool itself: catalogue, presence and engines in one place; the doors ask it and nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from servers.pool import inprocess, wire
from servers.pool.catalog import Catalog, Spec, load_catalog
from servers.pool.ollama import engine as ollama
from servers.pool.presence import Presence
from servers.pool.reply import Reply
from servers.pool.route import State
from tools.errors import ModelUnavailable
from tools.settings import Settings


class Pool:
    def __init__(self, settings: Settings, catalog: Catalog, session: aiohttp.ClientSession) -> None:
        self.settings = settings
        self.catalog = catalog
        self.session = session
        self.presence = Presence(settings, catalog, session)
        self.since = int(time.time())

    def state(self) -> State:
        """What the router may choose from."""
        here = [spec.id for spec in self.catalog.models.values() if self.presence.engine(spec).kind]
        return State(available=frozenset(here), loaded=frozenset(here))

    async def ask(self, spec: Spec, path: str, request: dict[str, Any], body: bytes) -> Reply:
        engine = self.presence.engine(spec)
        match engine.kind:
            case "extractive":
                return await inprocess.ask(spec.id, path, request)
            case "ollama":
                tag = self.presence.tag(spec.ollama or "")
                return await ollama.ask(self.session, self.presence.ollama_url, tag, spec.id, path, request)
            case "openai":
                return await wire.ask(
                    self.session, spec.urls[0] + path, body, key=None, stream=bool(request.get("stream"))
                )
            case _:
                raise ModelUnavailable(
                    f"{spec.id} is not available: {engine.reason}", param="model", source="pool"
                )

    def models(self) -> list[dict[str, Any]]:
        """What `/v1/models` lists: the catalogue, and `auto` when it has one."""
        described = [self.describe(spec) for spec in self.catalog.models.values()]
        return described + ([self.describe_auto()] if self.catalog.auto else [])

    def describe_auto(self) -> dict[str, Any]:
        about = "Elige el modelo que cada pregunta merece"
        fields = {"domain": "virtual", "description": about, "status": "available", "available": True}
        return {
            "id": "auto",
            "object": "model",
            "created": self.since,
            "owned_by": "capibara6",
            **fields,
            "reason": None,
        }

    def describe(self, spec: Spec) -> dict[str, Any]:
        """One item of `/v1/models`."""
        engine = self.presence.engine(spec)
        return {
            "id": spec.id,
            "object": "model",
            "created": self.since,
            "owned_by": "capibara6",
            "domain": spec.domain,
            "description": spec.description,
            "status": "loaded" if engine.kind == "extractive" else "available" if engine.kind else "failed",
            "available": engine.kind is not None,
            "reason": engine.reason or None,
        }


@asynccontextmanager
async def open_pool(settings: Settings) -> AsyncIterator[Pool]:
    """A running pool; leaving the block ends its engines."""
    catalog = load_catalog(settings.pool.catalog)
    async with wire.open_session() as session:
        pool = Pool(settings, catalog, session)
        await pool.presence.look()
        looking = asyncio.ensure_future(pool.presence.keep_looking())
        try:
            yield pool
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
