"""How a server is reached: a program on this machine over its stdin and stdout, or an address over HTTP.

A program gets the environment that its entry names and no more: no setting or secret of the platform.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from mcp import StdioServerParameters
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from mcp.types import INTERNAL_ERROR, ErrorData, JSONRPCError

from tools.log import get_logger
from tools.mcp.options import McpServer
from tools.mcp.server_list import check_command

CONNECT_S = 5.0
STATUS = "http_status"
"""In an error's data: which HTTP status stands behind it."""
log = get_logger("mcp")


class SpokenErrors(httpx2.AsyncHTTPTransport):
    """HTTP, whose failures and refusals are answers of JSON-RPC: whoever asked is told, and the session with
    everybody else goes on."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, or why there is none."""
        try:
            response = await super().handle_async_request(request)
        except httpx2.TransportError as exc:
            log.warning("server_not_reached", error=type(exc).__name__)
            return _refusal(503, f"the server at {request.url.host} is not reachable", httpx2.Headers())
        if response.status_code < 400:
            return response
        body = await response.aread()
        await response.aclose()
        said = _said(body) or f"HTTP {response.status_code}"
        return _refusal(response.status_code, said, response.headers, body)


class Tokens:
    """An OAuth client's tokens, in this process alone."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        """Those there are."""
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep them."""
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """Who the client is."""
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep it."""
        self.client = client_info


@asynccontextmanager
async def open_transport(server: McpServer, commands: tuple[str, ...]) -> AsyncIterator[object]:
    """The two streams of a server, for `mcp.Client`. Raises Forbidden for a program that is not allowed."""
    if server.command is not None:
        check_command(server, commands)
        program = StdioServerParameters(
            command=server.command,
            args=list(server.args),
            env={name: value.get_secret_value() for name, value in server.env.items()},
            cwd=server.cwd,
        )
        async with stdio_client(program) as streams:
            yield streams
        return
    assert server.url is not None
    async with (
        httpx2.AsyncClient(
            headers={name: value.get_secret_value() for name, value in server.headers.items()},
            auth=_auth(server),
            timeout=httpx2.Timeout(server.timeout_s, connect=CONNECT_S),
            transport=SpokenErrors(),
            trust_env=False,
        ) as http,
        streamable_http_client(server.url, http_client=http) as streams,
    ):
        yield streams


def _auth(server: McpServer) -> httpx2.Auth | None:
    if server.oauth is None:
        return None
    assert server.url is not None
    return ClientCredentialsOAuthProvider(
        server.url,
        Tokens(),
        client_id=server.oauth.client_id,
        client_secret=server.oauth.client_secret.get_secret_value(),
        scope=server.oauth.scope,
        issuer=server.oauth.issuer,
    )


def _refusal(status: int, message: str, headers: httpx2.Headers, body: bytes = b"") -> httpx2.Response:
    """A refusal with a body of JSON-RPC; what else its headers say, such as how to get in, stays."""
    if b'"jsonrpc"' not in body:
        error = ErrorData(code=INTERNAL_ERROR, message=message, data={STATUS: status})
        body = JSONRPCError(jsonrpc="2.0", id=None, error=error).model_dump_json(by_alias=True).encode()
    kept = {name: value for name, value in headers.items() if name in ("www-authenticate", "retry-after")}
    return httpx2.Response(status, headers={**kept, "content-type": "application/json"}, content=body)


def _said(body: bytes) -> str:
    """The message of one of the platform's own errors; empty for anything else."""
    try:
        error = json.loads(body)["error"]
        return f"{error['message']} [{error['code']}]"
    except (ValueError, KeyError, TypeError):
        return ""
