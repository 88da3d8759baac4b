"""What `/metrics` of our services shows, after a request to each and a call to a store."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from prometheus_client import generate_latest

from servers.bridge.clients.store_client import StoreClient
from servers.bridge.health import StoreMetrics
from servers.pool.main import build_app as build_pool
from servers.web.app import create_app
from servers.web.middleware import service_registry
from tests.serving import serving
from tools.settings import Settings

QUESTION = {"model": "extractive", "messages": [{"role": "user", "content": "¿Qué hora es?"}]}


class Store(StoreClient):
    """A client that nobody asks: the counters are every store's."""

    async def version(self) -> str:
        return ""


def shown(settings: Settings) -> Iterator[str]:
    """In Prometheus' text format: an app of ours, the pool, and the bridge's part about its stores."""
    with serving(_app(settings), settings.ports.api), httpx.Client(trust_env=False) as client:
        client.get(f"{settings.api_url}/health/live")
        yield client.get(f"{settings.api_url}/metrics").raise_for_status().text
    with serving(build_pool(settings), settings.ports.pool), httpx.Client(trust_env=False) as client:
        client.post(f"{settings.pool_url}/v1/chat/completions", json=QUESTION).raise_for_status()
        yield client.get(f"{settings.pool_url}/metrics").raise_for_status().text
    registry = service_registry("bridge")
    registry.register(StoreMetrics(lambda: [Store("nowhere", deadline_s=1.0)]))
    yield generate_latest(registry).decode()


def _app(settings: Settings) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    async def checks() -> dict[str, object]:
        return {"status": "ok"}

    return create_app("api", settings, lifespan=lifespan, checks=checks)
