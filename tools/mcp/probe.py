"""Tries the MCP servers of others: whether each answers, with how many tools, and how fast."""

import asyncio
import time
from dataclasses import dataclass

from mcp.types import Tool

from tools.errors import Capibara6Error
from tools.mcp.options import McpServer
from tools.mcp.remote_session import RemoteSession
from tools.mcp.server_list import read_servers
from tools.settings import Settings


@dataclass(frozen=True)
class Probe:
    """What became of one try; `error` is empty for a server that answered, `took_ms` includes its start."""

    name: str
    error: str
    took_ms: float
    about: dict[str, str]
    tools: tuple[Tool, ...] = ()


async def probe(name: str, server: McpServer, commands: tuple[str, ...]) -> Probe:
    """Open a session of its own, ask for every tool, and end it."""
    session, began = RemoteSession(name, server, commands), time.monotonic()
    try:
        about, tools = await session.about(), await session.tools()
        error = ""
    except Capibara6Error as exc:
        about, tools, error = {}, [], exc.message
    finally:
        await session.close()
    return Probe(name, error, round((time.monotonic() - began) * 1_000, 1), about, tuple(tools))


async def probe_all(settings: Settings) -> list[Probe]:
    """Every server of the settings and of their file, at the same time; so is a file that is none."""
    try:
        servers = read_servers(settings)
    except Capibara6Error as exc:
        return [Probe("mcp.json", exc.message, 0.0, {})]
    commands = settings.mcp.commands
    return list(await asyncio.gather(*(probe(name, one, commands) for name, one in servers.items())))
