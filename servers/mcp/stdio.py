"""MCP over stdin and stdout, for clients that start their servers: it hands every message to the server at an
address, with a key, and that server's back. It needs nothing else of the platform's settings.

What it serves, and to whom, decides the server that it speaks to.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import anyio
import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.server.stdio import stdio_server
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
)
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp.types import (
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)
from mcp_types import PROTOCOL_VERSION_META_KEY

from tools.access.addresses import is_loopback
from tools.log import get_logger
from tools.mcp.transports import SpokenErrors

CONNECT_S = 10.0
LONGEST_S = 900.0
"""How long an answer may take, or a stream be silent; the server bounds each by itself."""
log = get_logger("mcp")


class Relay:
    """Between one client and the server at `url`; `version` is the protocol's that they agreed on."""

    def __init__(self, url: str) -> None:
        self.url, self.version = url, ""
        self._opening: set[str | int] = set()

    def outward(self, message: Any) -> SessionMessage:
        """A message of the client, with the headers that HTTP wants of it."""
        if isinstance(message, JSONRPCRequest) and message.method == "initialize":
            self._opening.add(message.id)
            return SessionMessage(message)
        headers = self._headers(message)
        return SessionMessage(message, metadata=ClientMessageMetadata(headers=headers) if headers else None)

    def inward(self, message: Any) -> SessionMessage:
        """A message of the server; the answer to `initialize` names the version."""
        if isinstance(message, JSONRPCResponse) and message.id in self._opening:
            self._opening.discard(message.id)
            self.version = str(message.result.get("protocolVersion", ""))
        return SessionMessage(message)

    def _headers(self, message: Any) -> dict[str, str]:
        params = getattr(message, "params", None) or {}
        meta = params.get("_meta") or {}
        version = meta.get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, Mapping) else None
        if not isinstance(version, str):
            return {MCP_PROTOCOL_VERSION_HEADER: self.version} if self.version else {}
        headers = {MCP_PROTOCOL_VERSION_HEADER: version}
        if isinstance(message, JSONRPCRequest | JSONRPCNotification):
            headers[MCP_METHOD_HEADER] = message.method
            name = params.get(NAME_BEARING_METHODS.get(message.method, ""))
            if isinstance(name, str):
                headers[MCP_NAME_HEADER] = encode_header_value(name)
        return headers


def serve(url: str, *, key: str | None, toolsets: str | None) -> None:
    """Relay until stdin ends. Raises ValueError for a key that would travel in the open."""
    if key and url.startswith("http://") and not is_loopback(httpx2.URL(url).host):
        raise ValueError(f"{url}: a key goes over https, or to this machine")
    asyncio.run(_serve(url, key, toolsets))


async def _serve(url: str, key: str | None, toolsets: str | None) -> None:
    given = {"authorization": f"Bearer {key}" if key else "", "x-mcp-toolsets": toolsets or ""}
    http = httpx2.AsyncClient(
        headers={name: value for name, value in given.items() if value},
        timeout=httpx2.Timeout(LONGEST_S, connect=CONNECT_S),
        transport=SpokenErrors(),
    )
    relay = Relay(url)
    async with (
        http,
        stdio_server() as (of_client, to_client),
        streamable_http_client(url, http_client=http) as (of_server, to_server),
        anyio.create_task_group() as tasks,
    ):

        async def answers() -> None:
            async for received in of_server:
                if isinstance(received, Exception):
                    log.warning("server_failed", error=str(received))
                    continue
                await to_client.send(relay.inward(received.message))

        tasks.start_soon(answers)
        async for received in of_client:
            if isinstance(received, Exception):
                fault = ErrorData(code=PARSE_ERROR, message="Parse error")
                await to_client.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=None, error=fault)))
                continue
            await to_server.send(relay.outward(received.message))
        tasks.cancel_scope.cancel()
