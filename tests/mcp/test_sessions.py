"""Sessions of older clients are capped and belong to who opened them; stdio needs an address and a key."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from pydantic import SecretStr

from servers.mcp.main import build_app
from servers.mcp.stdio import serve
from tests.bridge.conftest import listening, wait_until
from tests.mcp.conftest import client
from tests.mcp.test_offers import key_of
from tests.ports import free_ports
from tests.serving import serving
from tools.mcp.options import Mcp
from tools.mcp.transports import SpokenErrors
from tools.settings import Settings

REPO = Path(__file__).parents[2]
SESSIONS = 20
OPEN = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
}


@pytest.fixture(scope="module")
def keyed(platform: Settings) -> Iterator[Settings]:
    """A server with a key and room for few sessions."""
    ports = platform.ports.model_copy(update={"mcp": free_ports(1)[0]})
    few = Mcp(sessions=SESSIONS)
    settings = platform.model_copy(update={"ports": ports, "api_key": SecretStr("s3cret-key"), "mcp": few})
    with serving(build_app(settings), ports.mcp):
        yield settings


def post(http: httpx.Client, key: str, body: dict[str, Any], session: str = "") -> httpx.Response:
    headers = {"accept": "application/json, text/event-stream", "authorization": f"Bearer {key}"}
    headers |= {"mcp-session-id": session, "mcp-protocol-version": "2025-06-18"} if session else {}
    return http.post("/mcp", json=body, headers=headers)


def test_a_session_is_its_openers_and_there_are_so_many(keyed: Settings) -> None:
    ana, key = key_of(keyed, "read"), "s3cret-key"
    listed = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    with httpx.Client(base_url=keyed.mcp_url.removesuffix("/mcp"), trust_env=False, timeout=30) as http:
        opened = [post(http, key, OPEN) for _ in range(SESSIONS)]
        assert {one.status_code for one in opened} == {200}
        assert post(http, key, OPEN).status_code == 503
        first = opened[0].headers["mcp-session-id"]
        assert post(http, key, listed, first).status_code == 200
        assert post(http, ana, listed, first).status_code == 404
        assert post(http, "wrong", listed, first).status_code == 401
        for one in opened:
            headers = {"authorization": f"Bearer {key}", "mcp-session-id": one.headers["mcp-session-id"]}
            assert http.delete("/mcp", headers=headers).status_code == 200
        assert post(http, key, OPEN).status_code == 200


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_stdio_needs_an_address_and_a_key_alone(keyed: Settings, tmp_path: Path, mode: Any) -> None:
    # From an empty folder, so that nothing but these two can be read.
    environment = {"PATH": os.environ["PATH"], "CAPIBARA6_API_KEY": "s3cret-key"}
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "servers", "mcp", "stdio", keyed.mcp_url, "--toolsets", "all"],
        env=environment | {"PYTHONPATH": str(REPO)},
        cwd=tmp_path,
    )
    steps: list[float] = []

    async def told(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async with Client(server, mode=mode) as mcp:
        assert len((await mcp.list_tools()).tools) == 12
        found = await mcp.call_tool("search_knowledge", {"query": "modelos"})
        failed = await mcp.call_tool("speak", {"text": "hola"})
        await mcp.call_tool("ask_agent", {"question": "¿Cuántos?"}, progress_callback=told)
    assert found.structured_content is not None and found.structured_content["passages"]
    assert failed.is_error
    assert steps == [1, 2]
    assert list(tmp_path.iterdir()) == []


async def test_stdio_answers_for_a_server_that_is_away_or_refuses(keyed: Settings) -> None:
    async with httpx2.AsyncClient(transport=SpokenErrors()) as http:
        away = (await http.post("http://127.0.0.1:9/mcp", json=OPEN)).json()
        refused = (await http.post(keyed.mcp_url, json=OPEN)).json()
    assert away["error"]["message"] == "the server at 127.0.0.1 is not reachable"
    assert refused["error"]["message"].endswith("[invalid_api_key]")
    assert away["jsonrpc"] == refused["jsonrpc"] == "2.0"


def test_stdio_keeps_a_key_off_the_open_network() -> None:
    with pytest.raises(ValueError, match="over https"):
        serve("http://192.0.2.1/mcp", key="s3cret", toolsets=None)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_who_only_listens_does_not_hold_up_the_end(platform: Settings, mode: Any) -> None:
    ports = platform.ports.model_copy(update={"mcp": free_ports(1)[0]})
    settings = platform.model_copy(update={"ports": ports})
    words = ("-m", "servers", "serve", "mcp")
    environment = {**os.environ, **settings.environment()}
    server = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=REPO, env=environment)
    try:
        await asyncio.to_thread(wait_until, lambda: listening(ports.mcp))
        async with client(settings, mode=mode) as mcp, AsyncExitStack() as stack:
            await mcp.list_tools()  # an older client has opened its stream by now
            if mode == "auto":
                await stack.enter_async_context(mcp.listen(resources_list_changed=True))
            server.terminate()
            # It would wait for the stream for `limits.drain_s`, 30 s.
            assert await asyncio.wait_for(server.wait(), 25) == 0
    finally:
        if server.returncode is None:
            server.kill()
