"""The list of servers of others: its file, the commands that write and try it, and what doctor says of it."""

import json
import stat
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send
from typer.testing import CliRunner

from servers.commands.remote_servers import remote_server_findings
from servers.mcp.cli import app
from tests.ports import free_ports
from tests.serving import serving
from tests.tools.mcp.server import Asked, build
from tools.errors import BadRequest, Conflict, Forbidden
from tools.mcp.options import ClientCredentials, Mcp, McpServer
from tools.mcp.probe import probe, probe_all
from tools.mcp.server_list import add_server, read_servers, servers_file
from tools.settings import Settings


def test_a_file_of_other_clients_is_read_as_it_is(settings: Settings) -> None:
    path = servers_file(settings)
    path.parent.mkdir(parents=True)
    entry = {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-memory"], "env": {"A": "b"}}
    for root in ("mcpServers", "servers"):
        servers = {"memory": entry, "off": {"url": "https://a.b", "disabled": True}}
        path.write_text(json.dumps({root: servers}))
        assert read_servers(settings).keys() == {"memory"}
    for text, said in (("{", "can not be read"), ("{}", "mcpServers"), ('{"servers":{"a":{}}}', "a: Value")):
        path.write_text(text)
        with pytest.raises(BadRequest, match=said):
            read_servers(settings)


async def test_what_was_added_keeps_its_secrets_from_others(settings: Settings) -> None:
    server = McpServer(url="https://a.b/mcp", headers={"authorization": SecretStr("Bearer zarapito")})
    path = add_server(settings, "web", server)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_servers(settings) == {"web": server}
    assert "zarapito" not in repr(server)
    with pytest.raises(Conflict):
        add_server(settings, "web", server)
    with pytest.raises(Forbidden, match="CAPIBARA6_MCP__COMMANDS"):
        add_server(settings, "shell", McpServer(command="sh", args=("-c", "true")))
    path.write_text("[]")
    assert [one.error != "" for one in await probe_all(settings)] == [True]


def test_the_commands_add_list_and_try(settings: Settings, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    ran = CliRunner()
    assert ran.invoke(app, ["add", "others", url, "--header", "X-Key: zarapito", "--trusted"]).exit_code == 0
    listed = ran.invoke(app, ["list"])
    assert "others" in listed.output and "trusted" in listed.output and "zarapito" not in listed.output
    tried = ran.invoke(app, ["test"])
    assert (tried.exit_code, "others__echo" in tried.output) == (0, True), tried.output
    assert ran.invoke(app, ["add", "x", "https://a.b", "--env", "A=b"]).exit_code == 2
    assert ran.invoke(app, ["test", "nobody"]).exit_code == 2


def test_doctor_says_which_answer_and_which_are_granted(settings: Settings, url: str) -> None:
    servers = {"others": McpServer(url=url), "gone": McpServer(url="http://127.0.0.1:9/mcp")}
    agents = settings.agents.model_copy(update={"mcp": servers, "tools": ("gone__*",)})
    found = {one.part: one for one in remote_server_findings(settings.model_copy(update={"agents": agents}))}
    assert found["MCP gone"].ok is False and "not reachable" in found["MCP gone"].found
    assert found["MCP others"].ok is None and "others__*" in found["MCP others"].how


class Guarded:
    """An MCP server behind OAuth, with its authorization server; `issued` are the tokens that it gave."""

    def __init__(self, base: str) -> None:
        self.base, self.issued = base, 0
        self.inner = build(Asked()).streamable_http_app()
        self.outer = FastAPI()

        @self.outer.get("/.well-known/oauth-protected-resource/mcp")
        async def resource() -> Any:
            return {"resource": f"{base}/mcp", "authorization_servers": [base]}

        @self.outer.get("/.well-known/oauth-authorization-server")
        async def metadata() -> Any:
            ends = {"authorization_endpoint": f"{base}/authorize", "token_endpoint": f"{base}/token"}
            return {"issuer": base, **ends, "response_types_supported": ["code"]}

        @self.outer.post("/token")
        async def token(request: Request) -> Any:
            body = (await request.body()).decode()
            given = request.headers.get("authorization", "")
            if "grant_type=client_credentials" not in body or given != "Basic cm9ib3Q6emFyYXBpdG8=":
                return JSONResponse({"error": "invalid_client"}, 401)
            self.issued += 1
            return {"access_token": "good", "token_type": "Bearer", "expires_in": 3600}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope.get("path") != "/mcp":
            await (self.inner if scope["type"] == "lifespan" else self.outer)(scope, receive, send)
            return
        if dict(scope["headers"]).get(b"authorization") == b"Bearer good":
            await self.inner(scope, receive, send)
            return
        where = f'Bearer resource_metadata="{self.base}/.well-known/oauth-protected-resource/mcp"'
        refused = JSONResponse({"error": "unauthorized"}, 401, {"www-authenticate": where})
        await refused(scope, receive, send)


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    (port,) = free_ports(1)
    found = Guarded(f"http://127.0.0.1:{port}")
    with serving(found, port):
        yield found


async def test_a_client_with_credentials_gets_a_token_and_others_are_told(guarded: Guarded) -> None:
    for secret, tools in (("zarapito", 5), ("wrong", 0)):
        oauth = ClientCredentials(client_id="robot", client_secret=SecretStr(secret), issuer=guarded.base)
        found = await probe("others", McpServer(url=f"{guarded.base}/mcp", oauth=oauth), ())
        assert len(found.tools) == tools, found.error
        assert bool(found.error) is (tools == 0)
    assert guarded.issued == 1
    nobody = await probe("others", McpServer(url=f"{guarded.base}/mcp"), ())
    assert "refuses our key" in nobody.error


def test_the_settings_name_servers_in_the_same_form() -> None:
    entry = {"mem": {"command": "npx"}, "web": "https://a.b/mcp"}
    found = Settings.model_validate({"agents": {"mcp": entry}, "mcp": {"commands": ["npx"]}})
    again = Settings.model_validate(
        {"agents": json.loads(found.environment()["CAPIBARA6_AGENTS"]), "mcp": Mcp(commands=("npx",))}
    )
    assert again.agents.mcp == found.agents.mcp
    assert found.agents.mcp["web"].url == "https://a.b/mcp"
