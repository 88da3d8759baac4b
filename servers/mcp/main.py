"""Wires the MCP server: its tools and resources over streamable HTTP or stdio."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from mcp.server.lowlevel import Server
from mcp.server.transport_security import TransportSecuritySettings

from servers.mcp import metadata, stdio
from servers.mcp.clients import Clients, open_clients
from servers.mcp.protocol import PlatformServer
from servers.mcp.sessions import OwnedSessions
from servers.mcp.subscriptions import Subscriptions
from servers.web.access import Access
from servers.web.app import create_app
from servers.web.serve import listen
from tools.access.secret_values import concealer, secret_values
from tools.clients.http import Http
from tools.errors import Capibara6Error
from tools.log import configure
from tools.schema import JsonObject
from tools.settings import Settings

HEALTH_S = 2.0


def build_app(settings: Settings, kind: type[PlatformServer] = PlatformServer) -> FastAPI:
    """The ASGI app: `/mcp`, spoken by a server of this `kind`, and the health paths, with the key and limits
    of every service."""
    subscriptions = Subscriptions()

    @asynccontextmanager
    async def serving(_: Server[Clients]) -> AsyncIterator[Clients]:
        yield app.state.clients

    server = kind(serving, subscriptions)
    inner = server.streamable_http_app(
        max_request_body_size=settings.limits.body_bytes,
        max_sessions=settings.mcp.sessions,
        session_idle_timeout=settings.mcp.session_idle_s,
        transport_security=transport_security(settings),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_clients(settings) as app.state.clients, server.session_manager.run():
            yield

    async def checks() -> JsonObject:
        clients: Clients = app.state.clients
        states = await asyncio.gather(_state(clients.api.http), _state(clients.bridge.http))
        services = dict(zip(("api", "bridge"), states, strict=True))
        return {"status": "ok" if set(states) == {"ok"} else "degraded", "services": services}

    access = Access(
        settings, name="mcp", open_paths=frozenset(metadata.PATHS), challenge=metadata.challenge(settings)
    )
    app = create_app(
        "mcp", settings, lifespan=lifespan, checks=checks, description="MCP at /mcp", access=access
    )
    metadata.add_metadata(app, settings)
    sessions = OwnedSessions(inner, "/mcp")
    app.router.routes.append(sessions.route)
    app.state.endless = (sessions, subscriptions)
    return app


def transport_security(settings: Settings) -> TransportSecuritySettings:
    """MCP's own check of hosts and origins, behind the door's and of the same settings."""
    names = [f"[{name}]" if ":" in name else name for name in sorted(settings.host_names)]
    hosts = [pattern for name in names for pattern in (name, f"{name}:*")]
    own = [f"{scheme}://{host}" for host in hosts for scheme in ("http", "https")]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=[*own, *settings.origins])


def run(settings: Settings) -> None:
    """Serve streamable HTTP until told to stop."""
    app = build_app(settings)
    configure("mcp", level=settings.log_level, conceal=concealer(secret_values(settings)))

    def end_streams() -> None:
        for streams in app.state.endless:
            streams.close()

    listen(app, settings=settings, port=settings.ports.mcp, on_drain=end_streams)


def run_stdio(settings: Settings, *, url: str | None = None, toolsets: str | None = None) -> None:
    """Relay one client on stdin and stdout to the server at `url`, by default that of the settings, with
    their key; the log goes to stderr alone. It keeps nothing on this machine."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    configure("mcp", level=settings.log_level, conceal=concealer([key] if key else []))
    stdio.serve(url or settings.mcp_url, key=key, toolsets=toolsets)


async def _state(http: Http) -> str:
    """`ok`, or what is wrong with a service."""
    try:
        await http.json("GET", "/health/live", timeout=HEALTH_S)
    except Capibara6Error as exc:
        return exc.message
    return "ok"
