"""A real MCP server on a free port; behind it, small real peers that speak the wire of bridge and API."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from servers.mcp.main import build_app
from tests.conftest import settings_in
from tests.mcp.peers import Held, build_api, build_bridge
from tests.serving import serving
from tools.settings import Settings


@asynccontextmanager
async def client(
    settings: Settings, *, mode: Any = "auto", key: str = "", toolsets: str = "", **more: Any
) -> AsyncIterator[Client]:
    """The official client at the server of the settings."""
    given = {"authorization": f"Bearer {key}" if key else "", "x-mcp-toolsets": toolsets}
    headers = {name: value for name, value in given.items() if value}
    async with httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as http:
        transport = streamable_http_client(settings.mcp_url, http_client=http)
        async with Client(transport, mode=mode, **more) as found:
            yield found


@pytest.fixture(scope="session")
def held() -> Held:
    """What the bridge holds."""
    return Held()


@pytest.fixture(scope="session")
def peers() -> FastAPI:
    """The API that is asked: `peers.state.asked` holds the requests."""
    return build_api()


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory, held: Held, peers: FastAPI) -> Iterator[Settings]:
    """Settings of a running bridge and API."""
    settings = settings_in(tmp_path_factory.mktemp("platform"))
    with serving(build_bridge(held), settings.ports.bridge), serving(peers, settings.ports.api):
        yield settings


@pytest.fixture(scope="session")
def running(platform: Settings) -> Iterator[Settings]:
    """Settings whose `mcp_url` answers."""
    with serving(build_app(platform), platform.ports.mcp):
        yield platform
