"""Wires the bridge: settings, services, health, authentication, routes."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from servers.bridge.access.accounts import Accounts
from servers.bridge.access.audit import Audit
from servers.bridge.access.auth import Authenticator
from servers.bridge.access.provider_tokens import ProviderTokens
from servers.bridge.clients.store_client import StoreClient, StoreStatus
from servers.bridge.health import Health, StoreMetrics, open_health
from servers.bridge.http import (
    collections,
    documents,
    identity,
    keys,
    saved,
    sessions,
    stores,
    usage,
    users,
)
from servers.bridge.http.openapi import add_examples
from servers.bridge.process_memory import collect_seldom, return_large_blocks
from servers.bridge.services import Services, open_services
from servers.web.app import create_app
from servers.web.oidc import open_provider
from servers.web.serve import listen
from tools.access.secret_values import concealer, secret_values
from tools.errors import Draining
from tools.log import configure
from tools.schema import JsonObject
from tools.settings import Settings

DESCRIPTION = "One safe door to Milvus, NebulaGraph, PostgreSQL and Redis; documents and hybrid search."


def build_app(settings: Settings) -> FastAPI:
    """The bridge as an ASGI app. It starts without its stores and uses them as they come up."""

    async def checks() -> JsonObject:
        health: Health | None = getattr(app.state, "health", None)
        return health.summary().model_dump() if health else {"status": "down"}

    gate = Authenticator(settings, lambda: getattr(app.state, "accounts", None), Audit(settings.log_level))
    app = create_app(
        "bridge",
        settings,
        lifespan=_lifespan(settings, gate),
        checks=checks,
        description=DESCRIPTION,
        access=gate,
        fast_routes=[*stores.router.routes, *documents.router.routes],
    )
    app.state.registry.register(StoreMetrics(lambda: _store_clients(app)))
    _add_detailed_health(app)
    rooms = (documents, stores, collections, saved, identity, sessions, users, keys, usage)
    for room in rooms:
        app.include_router(room.router)
    add_examples(app)
    return app


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    configure("bridge", level=settings.log_level, conceal=concealer(secret_values(settings)))
    return_large_blocks()
    app = build_app(settings)
    collect_seldom()
    listen(app, settings=settings, port=settings.ports.bridge)


def _lifespan(
    settings: Settings, gate: Authenticator
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_services(settings) as services,
            open_health(services) as health,
            open_provider(settings.oidc) as provider,
        ):
            gate.provider = ProviderTokens(provider, settings.access.cache_s) if provider else None
            app.state.services, app.state.health = services, health
            app.state.accounts = accounts = Accounts(services.postgres, settings.access)
            async with gate.requests.written_down(accounts.usage):
                yield

    return lifespan


def _store_clients(app: FastAPI) -> tuple[StoreClient, ...]:
    services: Services | None = getattr(app.state, "services", None)
    return (services.milvus, services.nebula, services.postgres, services.redis) if services else ()


def _add_detailed_health(app: FastAPI) -> None:
    @app.get("/health/detailed", tags=["health"], response_model_exclude_none=True)
    async def detailed() -> dict[str, StoreStatus]:
        health: Health | None = getattr(app.state, "health", None)
        if health is None:
            raise Draining("the bridge is starting", source="bridge", retry_after=1)
        return await health.check()
