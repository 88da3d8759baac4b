"""A small real MCP server of others, over HTTP or stdio (`python -m tests.tools.mcp.server`).

It lists its tools two a page, grows while it runs, and answers pictures, links and texts.
"""

import asyncio
import os
from dataclasses import dataclass, field
from typing import Any

from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ListToolsResult,
    PaginatedRequestParams,
    ResourceLink,
    TextContent,
    TextResourceContents,
    Tool,
    ToolAnnotations,
)

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
READS = ToolAnnotations(read_only_hint=True)
PAGE = 2


@dataclass
class Asked:
    """The calls that were made, and the tools there are."""

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    headers: list[str] = field(default_factory=list[str])
    names: list[str] = field(default_factory=lambda: ["echo", "picture", "fail", "environment", "slow"])


def build(asked: Asked, *, listens: bool = True) -> Server[Any]:
    bus = InMemorySubscriptionBus()

    async def list_tools(_: Any, params: PaginatedRequestParams | None) -> ListToolsResult:
        start = int((params and params.cursor) or 0)
        shown = [
            Tool(
                name=name,
                description=f"{name}\u202e\U000e0041 x",
                input_schema={"type": "object", "properties": {"text": {"type": "string"}}},
                annotations=READS if name in ("echo", "picture") else None,
            )
            for name in asked.names[start : start + PAGE]
        ]
        end = start + PAGE
        return ListToolsResult(tools=shown, next_cursor=str(end) if end < len(asked.names) else None)

    async def call_tool(ctx: Any, params: CallToolRequestParams) -> CallToolResult:
        arguments = params.arguments or {}
        asked.calls.append((params.name, arguments))
        if ctx.request is not None:
            asked.headers.append(ctx.request.headers.get("authorization", ""))
        match params.name:
            case "picture":
                return _picture()
            case "fail":
                return CallToolResult(content=[TextContent(type="text", text="no film")], is_error=True)
            case "environment":
                text = ",".join(sorted(os.environ))
            case "slow":
                await asyncio.sleep(60)
                text = "late"
            case "grow":
                text = "grown"
            case _:
                text = arguments.get("text", "")
                if text == "grow" and "grow" not in asked.names:
                    asked.names.append("grow")
                    await bus.publish(ToolsListChanged())
        return CallToolResult(content=[TextContent(type="text", text=text)])

    return Server(
        "others",
        version="1",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_subscriptions_listen=ListenHandler(bus) if listens else None,
    )


def _picture() -> CallToolResult:
    note = TextResourceContents(uri="note://1", mime_type="text/plain", text="La cigüeña vuelve en febrero.")
    return CallToolResult(
        content=[
            TextContent(type="text", text="Two storks."),
            ImageContent(type="image", data=PIXEL, mime_type="image/png"),
            ResourceLink(type="resource_link", name="nest", uri="https://example.org/nest", title="The nest"),
            EmbeddedResource(type="resource", resource=note),
        ]
    )


async def main() -> None:
    """Serve over stdio."""
    server = build(Asked())
    async with stdio_server() as (reads, writes):
        options = server.create_initialization_options(NotificationOptions(tools_changed=True))
        await server.run(reads, writes, options)


if __name__ == "__main__":
    asyncio.run(main())
