"""Tools of MCP servers, offered under `server__tool`. What they say and answer is foreign text, and calling
them sends something out; a person says yes first, unless a trusted server says that a tool only reads.

A server that does not answer offers nothing.
"""

import re
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mcp.types import Tool as McpTool

from tools.access.identity import Principal, current
from tools.errors import BadRequest, Capibara6Error
from tools.log import get_logger
from tools.mcp.options import McpServer
from tools.mcp.remote_content import answer_of, short, text_of, visible
from tools.mcp.remote_session import RemoteSession
from tools.mcp.server_list import read_servers
from tools.registry import Tool
from tools.schema import JsonObject
from tools.settings import Settings

FRESH_S = 60.0
"""How long a list is kept of a server that tells no changes."""
SEPARATOR = "__"
MOST_DESCRIPTION = 1_000
_ODD = re.compile(r"[^A-Za-z0-9_-]")

log = get_logger("mcp")


@dataclass(frozen=True)
class RemoteTool:
    """One tool of a server, with the face of a `BoundTool`; `parameters` is its JSON schema."""

    name: str
    session: RemoteSession
    remote_name: str
    description: str
    parameters: JsonObject
    tool: Tool

    @property
    def schema(self) -> JsonObject:
        """OpenAI's shape of a function tool."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}

    @property
    def deadline_s(self) -> float:
        """How long a call may take."""
        return self.session.server.timeout_s

    async def call(self, arguments: JsonObject) -> Any:
        """What `answer_of` makes of the answer. Raises BadRequest when the tool says it failed."""
        result = await self.session.call(self.remote_name, arguments)
        if result.is_error:
            why = visible(text_of(result))[:2_000] or f"{self.name} failed"
            raise BadRequest(why, source="mcp", code="tool_failed")
        return answer_of(result)


@dataclass
class Listed:
    """A server's tools by name, when they were asked for and of which version."""

    asked: float
    version: int
    tools: dict[str, RemoteTool]


class RemoteTools:
    """What the configured servers offer, to whom may use them."""

    def __init__(self, servers: Mapping[str, McpServer], commands: tuple[str, ...] = ()) -> None:
        self.sessions = {name: RemoteSession(name, server, commands) for name, server in servers.items()}
        self._listed: dict[str, Listed] = {}

    async def offered(self, grants: Collection[str]) -> dict[str, RemoteTool]:
        """The tools among `grants`; only servers that are named in them are asked, and only for those who
        may use them."""
        found: dict[str, RemoteTool] = {}
        for name, session in self.sessions.items():
            named = any(grant.startswith(f"{name}{SEPARATOR}") for grant in grants)
            if named and may_use(session.server, current()):
                found |= await self._of(session)
        return {name: tool for name, tool in found.items() if name in grants}

    async def close(self) -> None:
        """End every session."""
        for session in self.sessions.values():
            await session.close()

    async def _of(self, session: RemoteSession) -> dict[str, RemoteTool]:
        known = self._listed.get(session.name)
        now = time.monotonic()
        if known and known.version == session.version and now - known.asked < FRESH_S:
            return known.tools
        try:
            listed = await session.tools()
        except Capibara6Error as exc:
            log.warning("mcp_server_silent", server=session.name, code=exc.code)
            return {}
        tools = [_remote_tool(session, tool) for tool in listed if short(tool.input_schema)]
        if len(tools) < len(listed):
            log.warning("mcp_schema_too_long", server=session.name, tools=len(listed) - len(tools))
        named = {one.name: one for one in reversed(tools)}
        if len(named) < len(tools):
            log.warning("mcp_names_alike", server=session.name, tools=len(tools) - len(named))
        self._listed[session.name] = Listed(now, session.version, named)
        return named


@asynccontextmanager
async def open_remote_tools(settings: Settings) -> AsyncIterator[RemoteTools]:
    """The tools of the servers that the settings and their file name; their sessions end with the block.

    Raises BadRequest for a file of servers that is none."""
    found = RemoteTools(read_servers(settings), settings.mcp.commands)
    try:
        yield found
    finally:
        await found.close()


def may_use(server: McpServer, caller: Principal | None) -> bool:
    """Whether a server is there for this person: everybody's, or named with `tenant/user` or a role. Pure."""
    if not server.users:
        return True
    return caller is not None and bool({f"{caller.tenant}/{caller.user}", caller.role} & set(server.users))


def _remote_tool(session: RemoteSession, tool: McpTool) -> RemoteTool:
    name = _ODD.sub("_", f"{session.name}{SEPARATOR}{tool.name}")[:64]
    reads = bool(tool.annotations and tool.annotations.read_only_hint)
    flags = Tool(_elsewhere, untrusted=True, effect="outward", asks=not (session.server.trusted and reads))
    about = visible(tool.description or tool.title or "")[:MOST_DESCRIPTION]
    return RemoteTool(name, session, tool.name, about, dict(tool.input_schema), flags)


async def _elsewhere() -> None:
    """Stands for a function that lives in another process."""
