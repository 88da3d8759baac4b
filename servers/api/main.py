"""Wires the agent API: settings → services → app. It answers nothing itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from servers.api.http import people, shared_threads, sources, submissions, web_client, webhooks
from servers.api.http.openai import audio, chat, embeddings, files, responses, text_completion
from servers.api.http.openai.passthrough import PassThrough
from servers.api.http.protocol import (
    assistants,
    crons,
    runs,
    server,
    store_items,
    thread_states,
    thread_streams,
    threads,
)
from servers.api.services import open_services
from servers.web.access import Access, Rule
from servers.web.app import create_app
from servers.web.serve import listen
from tools.access.secret_values import concealer, secret_values
from tools.log import configure
from tools.schema import JsonObject
from tools.settings import Settings

RULES = (
    Rule("POST", "/webhook/", "operate"),
    Rule("", "/v1/sources", "operate"),
    Rule("POST", "/v1/files", "write"),
    Rule("DELETE", "/v1/files", "write"),
    Rule("POST", "/assistants/search", "read"),
    Rule("POST", "/assistants/count", "read"),
    Rule("POST", "/assistants/", "read", "/versions"),
    Rule("POST", "/assistants", "write"),
    Rule("PATCH", "/assistants", "write"),
    Rule("DELETE", "/assistants", "write"),
    Rule("POST", "/threads/search", "read"),
    Rule("POST", "/threads/count", "read"),
    Rule("POST", "/threads/", "read", "/history"),
    Rule("POST", "/threads/find", "read"),
    Rule("POST", "/threads/", "read", "/state/checkpoint"),
    Rule("POST", "/threads/", "read", "/stream"),
    Rule("POST", "/threads/", "read", "/stream/events"),
    Rule("POST", "/threads", "write"),
    Rule("PATCH", "/threads", "write"),
    Rule("DELETE", "/threads", "write"),
    Rule("POST", "/runs/crons/", "read"),
    Rule("POST", "/runs/crons", "write"),
    Rule("PATCH", "/runs/crons", "write"),
    Rule("DELETE", "/runs", "write"),
    Rule("PUT", "/store", "write"),
    Rule("DELETE", "/store", "write"),
    Rule("POST", "/api/save-", "write"),
    Rule("", "/api/people", "admin"),
)
"""Asking needs `read`, making things `write`, starting flows `operate`."""
OPENAI = (chat, text_completion, responses, embeddings, audio, files)
PROTOCOL = (assistants, threads, thread_states, thread_streams, crons, runs, store_items, server)
ROUTES = (*OPENAI, webhooks, web_client, sources, submissions, people, shared_threads, *PROTOCOL)


def build_app(settings: Settings) -> FastAPI:
    """The ASGI app; its lifespan opens the services."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings) as services:
            app.state.services = services
            yield

    async def checks() -> JsonObject:
        return await app.state.services.health()

    app = create_app(
        "api",
        settings,
        lifespan=lifespan,
        checks=checks,
        access=Access(settings, name="api", rules=RULES, open_paths=frozenset({web_client.PATH})),
        forms={**audio.FORMS, **files.FORMS},
        inside=(PassThrough,),
        description="Agents through OpenAI's API and the Agent Protocol.",
    )
    for routes in ROUTES:
        app.include_router(routes.router)
    return app


def run(settings: Settings) -> None:
    """Serve on `ports.api` until told to stop."""
    configure("api", level=settings.log_level, conceal=concealer(secret_values(settings)))
    listen(build_app(settings), settings=settings, port=settings.ports.api)
