"""mcp 1.x's client at our server; its last line is what it found, as JSON."""

import asyncio
import json
import os
from importlib import import_module
from typing import Any

# Not the mcp that the rest of the tree has: nothing here is checked against that one's types.
mcp: Any = import_module("mcp")
http: Any = import_module("mcp.client.streamable_http")


async def main() -> None:
    """Ask for one of everything."""
    steps = []

    async def told(progress, total, message) -> None:
        steps.append(progress)

    headers = {"x-mcp-toolsets": "all"}
    async with (
        http.streamablehttp_client(os.environ["MCP_URL"], headers=headers) as (reads, writes, _),
        mcp.ClientSession(reads, writes) as session,
    ):
        started = await session.initialize()
        found = await session.call_tool("search_knowledge", {"query": "modelos"})
        await session.call_tool("ask_agent", {"question": "¿Cuántos?"}, progress_callback=told)
        refused = await session.call_tool("ask_agent", {"question": "x", "modelo": "y"})
        read = await session.read_resource("capibara6://collections")
        told_prompt = await session.get_prompt("answer", {"question": "¿Cuántos?"})
        tools = (await session.list_tools()).tools
    print(
        json.dumps(
            {
                "protocol": started.protocolVersion,
                "tools": len(tools),
                "passages": len(found.structuredContent["passages"]),
                "steps": steps,
                "refused": refused.isError,
                "collections": len(json.loads(read.contents[0].text)["collections"]),
                "prompt": told_prompt.messages[0].content.text[:5],
            }
        )
    )


asyncio.run(main())
