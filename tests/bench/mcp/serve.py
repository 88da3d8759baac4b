"""One of the bench's processes: `python -m tests.bench.mcp.serve peers|ours|bare PORT`.

`bare` is the SDK's server with the same tool and nothing around it: no door, no key, no toolsets.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from mcp.server.lowlevel import Server
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
)
from servers.mcp.clients import Clients, open_clients
from servers.mcp.main import build_app
from servers.mcp.toolbox import Call
from servers.mcp.tools.knowledge import TOOLS, Searching, search_knowledge
from tests.mcp.peers import Held, build_bridge
from tools.access.identity import LOCAL, acting_as
from tools.settings import Settings, load_settings


def bare(settings: Settings) -> Any:
    """The app of the SDK's server with one tool."""

    @asynccontextmanager
    async def lifespan(_: Server[Clients]) -> AsyncIterator[Clients]:
        async with open_clients(settings) as clients:
            yield clients

    async def silent(_: str) -> None:
        pass

    async def list_tools(_: Any, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[TOOLS[0].view(writes=False)])

    async def call_tool(ctx: Any, params: CallToolRequestParams) -> CallToolResult:
        given = Searching.model_validate(params.arguments)
        with acting_as(LOCAL):
            found = await search_knowledge(given, Call(ctx.lifespan_context, False, silent))
        structured = found.model_dump(mode="json", exclude_none=True)
        text = TextContent(type="text", text=json.dumps(structured, ensure_ascii=False))
        return CallToolResult(content=[text], structured_content=structured)

    server = Server("bare", lifespan=lifespan, on_list_tools=list_tools, on_call_tool=call_tool)
    return server.streamable_http_app()


def main() -> None:
    """Serve until told to stop."""
    way, port = sys.argv[1], int(sys.argv[2])
    settings = load_settings()
    builders = {"peers": lambda: build_bridge(Held()), "ours": lambda: build_app(settings)}
    app = builders.get(way, lambda: bare(settings))()
    uvicorn.run(app, port=port, log_config=None, lifespan="on")


if __name__ == "__main__":
    main()
