"""Wires the UI: settings → clients → page → Gradio on an ASGI app of ours, with health and metrics paths."""

import asyncio
import hmac
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType

# Gradio reads these while it is imported: no usage reports, no version check, no call to any site.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"

import gradio as gr
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from tools.clients.api import Api
from tools.errors import Capibara6Error
from tools.log import configure
from tools.settings import Settings
from ui.clients import open_clients
from ui.middleware import PageMiddleware
from ui.page import build_page
from ui.theme import STYLE, build_theme

HEALTH_S = 2.0
LOGIN = "Cualquier nombre, y la clave de acceso como contraseña · Any name, and the access key as password"


class Server(uvicorn.Server):
    """Sets `leaving` when it is asked to stop, which ends open pages' heartbeats; then ends with status 0."""

    def __init__(self, config: uvicorn.Config, leaving: asyncio.Event) -> None:
        super().__init__(config)
        self.leaving = leaving

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM or SIGINT: stop; a second SIGINT does not wait for what is in flight."""
        self.leaving.set()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def build_app(settings: Settings) -> FastAPI:
    """The ASGI app: `/health…`, `/metrics` and the page at `/`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_clients(settings) as app.state.clients:
            yield

    app = FastAPI(title="capibara6 ui", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    registry = CollectorRegistry()
    app.state.leaving = asyncio.Event()
    _add_operator_paths(app, settings, registry)
    app.add_middleware(
        PageMiddleware, body_bytes=settings.limits.body_bytes, leaving=app.state.leaving, registry=registry
    )
    return gr.mount_gradio_app(
        app,
        build_page(settings, lambda: app.state.clients),
        path="/",
        auth=_login(settings),
        auth_message=LOGIN,
        server_name=settings.host,
        server_port=settings.ports.ui,
        footer_links=[],
        show_error=False,
        max_file_size="1mb",
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        theme=build_theme(),
        css_paths=STYLE,
        js=f"() => {{ document.documentElement.lang = '{settings.language}' }}",
    )


def run(settings: Settings) -> None:
    """Serve until told to stop."""
    configure("ui", level=settings.log_level)
    app = build_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.ports.ui,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.limits.connections,
        timeout_graceful_shutdown=int(settings.limits.drain_s),
    )
    Server(config, app.state.leaving).run()


def _add_operator_paths(app: FastAPI, settings: Settings, registry: CollectorRegistry) -> None:
    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "ok", "service": "ui"}

    @app.get("/health")
    @app.get("/health/ready")
    async def health() -> dict[str, str]:
        state = await _api_state(app.state.clients.api)
        return {"status": "ok" if state == "ok" else "degraded", "service": "ui", "api": state}

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        if not _has_key(request, settings):
            raise HTTPException(401)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _login(settings: Settings) -> Callable[[str, str], bool] | None:
    """With a key set, the page asks for it: it must not be a way around the API's own door."""
    if settings.api_key is None:
        return None
    key = settings.api_key.get_secret_value().encode()
    return lambda _user, password: hmac.compare_digest(password.encode(), key)


def _has_key(request: Request, settings: Settings) -> bool:
    if settings.api_key is None:
        return True
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    given = request.headers.get("x-api-key", bearer)
    return hmac.compare_digest(given.encode(), settings.api_key.get_secret_value().encode())


async def _api_state(api: Api) -> str:
    """`ok`, or why the API does not answer."""
    try:
        await api.http.json("GET", "/health/live", timeout=HEALTH_S)
    except Capibara6Error as exc:
        return exc.message
    return "ok"
