"""What `capibara6 doctor` says of the MCP servers of others."""

import asyncio
from collections.abc import Iterator

from servers.commands.finding import Finding
from tools.mcp.probe import probe_all
from tools.settings import Settings


def remote_server_findings(settings: Settings) -> Iterator[Finding]:
    """A finding a server; nothing where there are none."""
    es = settings.language == "es"
    for found in asyncio.run(probe_all(settings)):
        if found.error:
            yield Finding(f"MCP {found.name}", False, found.error, f"capibara6 mcp test {found.name}")
            continue
        count = f"{len(found.tools)} {'herramientas' if es else 'tools'}"
        granted = any(name.startswith(f"{found.name}__") for name in settings.agents.tools)
        how = "" if granted else f"CAPIBARA6_AGENTS__TOOLS: {found.name}__*"
        yield Finding(
            f"MCP {found.name}", True if granted else None, f"{count} · {found.took_ms:.0f} ms", how
        )
