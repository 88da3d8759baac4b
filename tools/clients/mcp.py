"""Client of MCP servers, ours or another's: a thin face over mcp's own `Client`, errors translated once."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, TextResourceContents, Tool

from tools.errors import BadRequest, Unavailable, UpstreamFailed, from_envelope


class Mcp:
    """Tools of one server. A tool that says it failed is in the result (`is_error`), not raised."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def tools(self) -> list[Tool]:
        """The server's tools. Raises UpstreamFailed, Unavailable and UpstreamSilent."""
        with _translated():
            return (await self.client.list_tools()).tools

    async def call(self, name: str, **arguments: Any) -> CallToolResult:
        """`structured_content` holds the typed answer, `content` what a model reads."""
        with _translated():
            return await self.client.call_tool(name, arguments)

    async def read(self, uri: str) -> str:
        """The text of a resource. Raises `BadRequest` for one that is not there."""
        with _translated():
            contents = (await self.client.read_resource(uri)).contents
        return "".join(part.text for part in contents if isinstance(part, TextResourceContents))


@asynccontextmanager
async def open_mcp(url: str, *, api_key: str | None = None, timeout: float = 120.0) -> AsyncIterator[Mcp]:
    """Connect to the streamable HTTP endpoint at `url`.

    Raises `Unavailable` when nobody answers there, `Unauthorized` when the key is not the right one.
    """
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    statuses: list[int] = []

    async def note(response: httpx2.Response) -> None:
        statuses.append(response.status_code)

    http = httpx2.AsyncClient(
        headers=headers,
        timeout=httpx2.Timeout(timeout, connect=5.0),
        event_hooks={"response": [note]},
        # A proxy set for the internet must not sit between two services of ours.
        trust_env=False,
    )
    try:
        async with http, Client(streamable_http_client(url, http_client=http)) as client:
            yield Mcp(client)
    except BaseExceptionGroup as group:
        raise _first(group, statuses[-1] if statuses else 0) from group


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except MCPError as exc:
        raise BadRequest(exc.error.message, source="mcp", code="mcp_error") from exc


def _first(group: BaseExceptionGroup, status: int) -> BaseException:
    """The transport's task group wraps what happened, even inside the caller's own block.

    `status` is that of the last HTTP response: mcp's error for a refused connection does not carry it.
    """
    cause: BaseException = group
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    if isinstance(cause, httpx2.ConnectError):
        return Unavailable("the MCP server is not reachable", source="mcp", retry_after=1)
    if isinstance(cause, httpx2.HTTPError):
        return UpstreamFailed(f"the MCP server broke the connection: {cause}", source="mcp")
    if isinstance(cause, MCPError):
        return from_envelope(max(status, 400), None, source="mcp")
    return cause
