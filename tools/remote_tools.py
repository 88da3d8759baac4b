"""Tools of MCP servers, offered under `server__tool`. All of them count as outward and as foreign text.

A server that does not answer offers nothing; what it offers is asked again after `FRESH_S`.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp.types import Tool as McpTool

from tools.clients.mcp import open_mcp
from tools.errors import BadRequest, Capibara6Error
from tools.log import get_logger
from tools.registry import Tool
from tools.schema import JsonObject

FRESH_S = 60.0
_ODD = re.compile(r"[^A-Za-z0-9_-]")

log = get_logger("remote")


@dataclass(frozen=True)
class RemoteTool:
    """One tool of a server, with the face of a `BoundTool`; `parameters` is its JSON schema."""

    name: str
    url: str
    remote_name: str
    description: str
    parameters: JsonObject
    tool: Tool

    @property
    def schema(self) -> JsonObject:
        """OpenAI's shape of a function tool."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}

    async def call(self, arguments: JsonObject) -> Any:
        """The tool's structured answer, or its text. Raises `BadRequest` when the tool says it failed."""
        async with open_mcp(self.url) as server:
            result = await server.call(self.remote_name, **arguments)
        text = "\n".join(part.text for part in result.content if part.type == "text")
        if result.is_error:
            raise BadRequest(text or f"{self.name} failed", source="mcp", code="tool_failed")
        return text if result.structured_content is None else result.structured_content


class RemoteTools:
    """What the configured servers offer; `servers` are URLs by name. Lists are kept for `FRESH_S` seconds."""

    def __init__(self, servers: Mapping[str, str]) -> None:
        self.servers = servers
        self.known: dict[str, tuple[float, dict[str, RemoteTool]]] = {}

    async def offered(self, names: frozenset[str]) -> dict[str, RemoteTool]:
        """The tools among `names`; only servers that are named in them are asked."""
        found: dict[str, RemoteTool] = {}
        for server in self.servers:
            if any(name.startswith(f"{server}__") for name in names):
                found |= await self._of(server)
        return {name: tool for name, tool in found.items() if name in names}

    async def _of(self, server: str) -> dict[str, RemoteTool]:
        asked, known = self.known.get(server, (0.0, {}))
        if known and time.monotonic() - asked < FRESH_S:
            return known
        try:
            async with open_mcp(self.servers[server], timeout=10.0) as client:
                listed = await client.tools()
        except Capibara6Error as exc:
            log.warning("mcp_server_silent", server=server, code=exc.code)
            return {}
        known = {
            one.name: one for one in (_remote_tool(server, self.servers[server], tool) for tool in listed)
        }
        self.known[server] = (time.monotonic(), known)
        return known


def _remote_tool(server: str, url: str, tool: McpTool) -> RemoteTool:
    name = _ODD.sub("_", f"{server}__{tool.name}")[:64]
    flags = Tool(_elsewhere, untrusted=True, effect="outward")
    return RemoteTool(name, url, tool.name, tool.description or "", dict(tool.input_schema), flags)


async def _elsewhere() -> None:
    """Stands for a function that lives in another process."""
