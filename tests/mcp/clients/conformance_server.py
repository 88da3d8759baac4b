"""Our server as the conformance suite wants it: its fixtures beside our tools, resources and prompts.

`python -m tests.mcp.clients.conformance_server`, settings as for a child. The fixtures' tools go the way that
all tools go: the same door, handlers, bounds; what is watched under `test://` are our collections.
"""

from typing import Any

from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    ContentBlock,
    EmbeddedResource,
    GetPromptRequestParams,
    GetPromptResult,
    ImageContent,
    PromptMessage,
    PromptReference,
    ReadResourceRequestParams,
    ReadResourceResult,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)

from servers.mcp import completion, prompts, protocol, resources
from servers.mcp.main import build_app
from servers.mcp.subscriptions import Subscriptions
from servers.mcp.toolbox import Arguments, Call, Tool
from servers.web.serve import listen
from tests.tools.mcp.server import PIXEL
from tools.errors import BadRequest
from tools.settings import load_settings

WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA="
TEXT = TextContent(type="text", text="This is a simple text response for testing.")
IMAGE = ImageContent(type="image", data=PIXEL, mime_type="image/png")
NOTE = TextResourceContents(uri="test://embedded-resource", mime_type="text/plain", text="Embedded.")
EMBEDDED = EmbeddedResource(type="resource", resource=NOTE)


class Nothing(Arguments):
    """No arguments."""


def answering(name: str, content: list[ContentBlock]) -> Tool:
    """A tool that takes three steps to the same answer."""

    async def run(_: Nothing, call: Call) -> list[ContentBlock]:
        """A fixture. Una prueba."""
        for step in ("one", "two", "three"):
            await call.progress(step)
        return content

    run.__name__ = name
    return Tool(run, Nothing, name, "knowledge")


async def test_error_handling(_: Nothing, __: Call) -> list[ContentBlock]:
    """A fixture that fails. Una prueba."""
    raise BadRequest("This tool intentionally returns an error for testing")


FIXTURES = [
    answering("test_simple_text", [TEXT]),
    answering("test_image_content", [IMAGE]),
    answering("test_audio_content", [AudioContent(type="audio", data=WAV, mime_type="audio/wav")]),
    answering("test_embedded_resource", [EMBEDDED]),
    answering("test_multiple_content_types", [TEXT, IMAGE, EMBEDDED]),
    answering("test_tool_with_progress", [TEXT]),
    Tool(test_error_handling, Nothing, "error", "knowledge"),
]


class ConformanceServer(protocol.PlatformServer):
    """Answers the suite's own names; everything else is ours."""

    def __init__(self, lifespan: Any, subscriptions: Subscriptions) -> None:
        super().__init__(lifespan, subscriptions)
        self.subscriptions = subscriptions
        self.add_request_handler("resources/read", ReadResourceRequestParams, self.read)
        self.add_request_handler("resources/subscribe", SubscribeRequestParams, self.subscribe)
        self.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, self.unsubscribe)
        self.add_request_handler("prompts/get", GetPromptRequestParams, self.prompt)
        self.add_request_handler("completion/complete", CompleteRequestParams, self.complete)

    async def read(self, ctx: Any, params: ReadResourceRequestParams) -> ReadResourceResult:
        """`test://static-binary`, `test://static-text`, `test://template/{id}/data`."""
        uri = str(params.uri)
        if not uri.startswith("test://"):
            return await resources.read_resource(ctx, params)
        if uri == "test://static-binary":
            return ReadResourceResult(
                contents=[BlobResourceContents(uri=uri, mime_type="image/png", blob=PIXEL)]
            )
        return ReadResourceResult(
            contents=[TextResourceContents(uri=uri, mime_type="text/plain", text=f"This is {uri}")]
        )

    async def subscribe(self, ctx: Any, params: SubscribeRequestParams) -> Any:
        """What is watched under the suite's name are the collections."""
        return await self.subscriptions.subscribe(ctx, params.model_copy(update={"uri": resources.ROOT}))

    async def unsubscribe(self, ctx: Any, params: UnsubscribeRequestParams) -> Any:
        """No longer."""
        return await self.subscriptions.unsubscribe(ctx, params.model_copy(update={"uri": resources.ROOT}))

    async def prompt(self, ctx: Any, params: GetPromptRequestParams) -> GetPromptResult:
        """The suite's four."""
        given = params.arguments or {}
        content: Any
        match params.name:
            case "test_simple_prompt":
                content = TextContent(type="text", text="This is a simple prompt for testing.")
            case "test_prompt_with_arguments":
                content = TextContent(type="text", text=f"arg1='{given['arg1']}', arg2='{given['arg2']}'")
            case "test_prompt_with_embedded_resource":
                note = NOTE.model_copy(update={"uri": given["resourceUri"]})
                content = EmbeddedResource(type="resource", resource=note)
            case "test_prompt_with_image":
                content = IMAGE
            case _:
                return await prompts.get_prompt(ctx, params)
        return GetPromptResult(messages=[PromptMessage(role="user", content=content)])

    async def complete(self, ctx: Any, params: CompleteRequestParams) -> CompleteResult:
        """The suite's prompt has a completion of its own."""
        if isinstance(params.ref, PromptReference) and params.ref.name.startswith("test_"):
            return CompleteResult(completion=Completion(values=["paris", "park"], total=2, has_more=False))
        return await completion.complete(ctx, params)


def main() -> None:
    """Serve until told to stop."""
    settings = load_settings()
    protocol.TOOLS.update({tool.name: tool for tool in FIXTURES})
    listen(build_app(settings, ConformanceServer), settings=settings, port=settings.ports.mcp)


if __name__ == "__main__":
    main()
