"""Wires the UI: settings → clients → page → Gradio on an ASGI app of ours, behind door and sign-in."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

# Gradio reads these while it is imported: no usage reports, no version check, no call to any site.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"
# Nor a table of its own (pandas) after each event, for a page of statistics that is switched off.
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(2**31)

import gradio as gr
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from servers.web.access import Access
from servers.web.app import add_error_handlers
from servers.web.door import Door
from servers.web.gateway import Gateway
from servers.web.middleware import service_registry
from servers.web.oidc import open_provider
from servers.web.serve import listen
from tools.access.identity import acting_as, service
from tools.access.secret_values import concealer, secret_values
from tools.clients.api import Api
from tools.errors import Capibara6Error, Unauthorized
from tools.log import configure
from tools.settings import Settings
from ui.access import oidc, sign_in
from ui.access.gradio_access import GradioAccess
from ui.access.identity import Visit, Visitors, visit_of
from ui.access.page_access import SIGN_IN_PATH, SignedIn
from ui.clients import open_clients
from ui.middleware import PageMiddleware
from ui.page import build_page
from ui.tabs import uploads
from ui.theme import STYLE, build_theme
from ui.turns import attachments, downloads, sharing, speech
from ui.turns.icons import icons_css

HEALTH_S = 2.0
LOGO: Final = Path(__file__).with_name("logo.svg")
MANIFEST: Final = {
    "name": "capibara6", "short_name": "capibara6", "start_url": "/", "scope": "/", "display": "standalone",
    "background_color": "#fafaf9", "theme_color": "#b45309",
    "icons": [{"src": "/logo.svg", "type": "image/svg+xml", "sizes": "any", "purpose": "any"}],
}  # fmt: skip
HEAD: Final = (
    '<link rel="manifest" href="/manifest.json" crossorigin="use-credentials">'
    '<link rel="icon" type="image/svg+xml" href="/logo.svg"><meta name="theme-color" content="#b45309">'
)
ARRIVAL = """() => {
  const ask = window.fetch;
  window.fetch = async (...request) => {
    const answer = await ask(...request);
    if (answer.status === 401) {
      const c = new URLSearchParams(location.search).get("c");
      location.assign("SIGN_IN" + (c ? `?next=${encodeURIComponent(`/?c=${c}`)}` : ""));
    }
    return answer;
  };
  addEventListener("popstate", () => location.reload());
}"""
"""What the page does first; whose session has ended meanwhile is led to the sign-in."""


def build_app(settings: Settings) -> FastAPI:
    """The ASGI app: `/health…`, `/metrics` and the page at `/`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_clients(settings) as app.state.clients,
            open_provider(settings.oidc) as provider,
            access.opened(provider),
        ):
            yield

    app = FastAPI(title="capibara6 ui", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    registry = service_registry("ui")
    app.state.leaving = asyncio.Event()
    access = Access(settings, name="ui")
    visitors = Visitors(settings, access.identity)
    add_error_handlers(app, "ui")
    _add_operator_paths(app, registry)
    _add_own_files(app)
    app.include_router(sign_in.build_router(settings, visitors))
    app.include_router(oidc.build_router(settings, visitors))
    app.include_router(uploads.build_router(lambda: app.state.clients))
    app.include_router(attachments.build_router(lambda: app.state.clients))
    app.include_router(sharing.build_router(settings.language, lambda: app.state.clients))
    app.include_router(speech.build_router(lambda: app.state.clients))
    app.include_router(downloads.build_router(settings.language, lambda: app.state.clients))
    app.add_middleware(GradioAccess)
    app.add_middleware(SignedIn, visitors=visitors, access=access)
    door = Door(settings, "ui", pages=True, forms=attachments.FORMS)
    app.add_middleware(Gateway, door=door, body_bytes=settings.limits.body_bytes)
    app.add_middleware(PageMiddleware, leaving=app.state.leaving, registry=registry)
    return _mounted(app, settings, access)


def run(settings: Settings) -> None:
    """Serve until told to stop."""
    configure("ui", level=settings.log_level, conceal=concealer(secret_values(settings)))
    app = build_app(settings)
    listen(app, settings=settings, port=settings.ports.ui, on_drain=app.state.leaving.set)


def _mounted(app: FastAPI, settings: Settings, access: Access) -> FastAPI:
    """The app with Gradio's page at `/`."""
    return gr.mount_gradio_app(
        app,
        build_page(settings, lambda: app.state.clients, lambda request: _enter(request, access)),
        path="/",
        auth_dependency=_user_of,
        server_name=settings.host,
        server_port=settings.ports.ui,
        footer_links=[],
        show_error=False,
        max_file_size="1mb",
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        head=HEAD,
        theme=build_theme(),
        css_paths=STYLE,
        css=icons_css(),
        js=ARRIVAL.replace("SIGN_IN", SIGN_IN_PATH),
    )


def _add_operator_paths(app: FastAPI, registry: CollectorRegistry) -> None:
    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "ok", "service": "ui"}

    @app.get("/health")
    @app.get("/health/ready")
    async def health() -> dict[str, str]:
        state = await _api_state(app.state.clients.api)
        status = "ok" if state == "ok" else "degraded"
        return {"status": status, "service": "ui", "version": version("capibara6"), "api": state}

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _add_own_files(app: FastAPI) -> None:
    """What a browser asks for to put the page among its apps; Gradio's own manifest is not ours."""

    @app.get("/manifest.json")
    async def manifest() -> JSONResponse:
        return JSONResponse(MANIFEST, media_type="application/manifest+json")

    @app.get("/logo.svg")
    async def logo() -> FileResponse:
        return FileResponse(LOGO, media_type="image/svg+xml", headers={"cache-control": "max-age=86400"})


def _enter(request: Request, access: Access) -> Visit:
    """Who asks something; it is counted. Raises Unauthorized, RateLimited, QuotaExceeded."""
    visit = visit_of(request)
    with access.entered(visit.caller, request.method, request.url.path):
        return visit


def _user_of(request: Request) -> str | None:
    """Gradio's own question, in case a path ever came past `SignedIn`."""
    try:
        return visit_of(request).principal.user
    except Unauthorized:
        return None


async def _api_state(api: Api) -> str:
    """`ok`, or why the API does not answer."""
    try:
        with acting_as(service("ui")):
            await api.http.json("GET", "/health/live", timeout=HEALTH_S)
    except Capibara6Error as exc:
        return exc.message
    return "ok"
