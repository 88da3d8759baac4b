import asyncio
import json

import httpx
import pytest
from mcp import Client
from pydantic import SecretStr

from servers.mcp.main import build_app
from tests.ports import free_ports
from tests.serving import serving
from tools.clients.mcp import open_mcp
from tools.errors import Unauthorized

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


async def post(settings, *, headers=None, content=None):
    async with httpx.AsyncClient(trust_env=False) as http:
        body = content if content is not None else json.dumps(LIST)
        return await http.post(settings.mcp_url, content=body, headers={**ACCEPT, **(headers or {})})


async def test_foreign_host_and_foreign_origin_are_refused(running):
    assert (await post(running, headers={"host": "evil.example:5003"})).status_code == 421
    assert (await post(running, headers={"origin": "http://evil.example"})).status_code == 403
    assert (await post(running, headers={"host": f"localhost:{running.ports.mcp}"})).status_code < 403


async def test_older_clients_are_served_too(running):
    async with Client(running.mcp_url, mode="legacy") as client:
        assert len((await client.list_tools()).tools) == 11


async def test_malformed_messages_leave_the_server_alive(running):
    for content in (b"{", b"[]", b"null", b"\xff\xfe", b'{"jsonrpc":"2.0"}', b"[" * 100_000):
        assert 400 <= (await post(running, content=content)).status_code < 500
    async with open_mcp(running.mcp_url) as mcp:
        assert await mcp.tools()


async def test_equal_request_ids_of_many_clients_never_cross(running):
    async def ask(n):
        async with open_mcp(running.mcp_url) as mcp:
            result = await mcp.call("search_knowledge", query="x", top_k=n % 2 + 1)
            return len(result.structured_content["passages"]) == n % 2 + 1

    assert all(await asyncio.gather(*(ask(n) for n in range(20))))


async def test_health_names_the_services_behind(running, settings):
    async with httpx.AsyncClient(trust_env=False) as http:
        good = (await http.get(f"http://127.0.0.1:{running.ports.mcp}/health")).json()
        with serving(build_app(settings), settings.ports.mcp):
            bad = (await http.get(f"http://127.0.0.1:{settings.ports.mcp}/health")).json()
            live = await http.get(f"http://127.0.0.1:{settings.ports.mcp}/health/live")
    assert live.json()["status"] == "ok"
    assert (good["status"], good["services"]) == ("ok", {"api": "ok", "bridge": "ok"})
    assert (bad["status"], bad["services"]["api"]) == ("degraded", "api is not reachable")


async def test_the_key_is_asked_for_but_health_is_open(platform):
    ports = platform.ports.model_copy(update={"mcp": free_ports(1)[0]})
    settings = platform.model_copy(update={"api_key": SecretStr("s3cret-key"), "ports": ports})
    with serving(build_app(settings), settings.ports.mcp):
        assert (await post(settings)).status_code == 401
        assert (await post(settings, headers={"authorization": "Bearer wrong"})).status_code == 401
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"http://127.0.0.1:{settings.ports.mcp}/health")).status_code == 200
        async with open_mcp(settings.mcp_url, api_key="s3cret-key") as mcp:
            assert (await mcp.call("list_models")).structured_content["models"]
        with pytest.raises(Unauthorized):
            async with open_mcp(settings.mcp_url) as mcp:
                await mcp.tools()
