"""Wires the UI: Gradio on an ASGI app of ours, with health paths and headers that keep the page local."""

import hmac
import os
from collections.abc import Callable

# Gradio reads these while it is imported: no usage reports, no version check, no call to any site.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tools.clients.api import open_api
from tools.errors import Capibara6Error
from tools.log import configure
from tools.settings import Settings
from ui.look import STYLE, build_theme
from ui.page import build_page

HEALTH_S = 2.0
# Gradio's page has inline scripts and styles; nothing in it may load from, or be sent to, another site.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
LOGIN = "Cualquier nombre, y la clave de acceso como contraseña · Any name, and the access key as password"
HEADERS = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Headers:
    """Adds `HEADERS` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def reply(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, reply)


def build_app(settings: Settings) -> FastAPI:
    """The ASGI app: `/health…` and the page at `/`."""
    app = FastAPI(title="capibara6 ui", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "ok", "service": "ui"}

    @app.get("/health")
    @app.get("/health/ready")
    async def health() -> dict[str, str]:
        return {
            "status": "ok" if (api := await _api(settings)) == "ok" else "degraded",
            "service": "ui",
            "api": api,
        }

    app.add_middleware(Headers)
    return gr.mount_gradio_app(
        app,
        build_page(settings),
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
    uvicorn.run(
        build_app(settings),
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


def _login(settings: Settings) -> Callable[[str, str], bool] | None:
    """With a key set, the page asks for it: it must not be a way around the API's own door."""
    if settings.api_key is None:
        return None
    key = settings.api_key.get_secret_value().encode()
    return lambda _user, password: hmac.compare_digest(password.encode(), key)


async def _api(settings: Settings) -> str:
    try:
        async with open_api(settings) as api:
            await api.http.json("GET", "/health/live", timeout=HEALTH_S)
    except Capibara6Error as exc:
        return exc.message
    return "ok"
