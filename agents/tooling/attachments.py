"""What a tool's answer carries besides its text: links, texts, pictures, sounds. An answer may cite them."""

from agents.conversation.state import Message
from agents.events import Source
from agents.tooling.calls import ToolResult
from tools.mcp.remote_content import Attachment, attachments_of
from tools.passages import Passage, render
from tools.schema import JsonObject


def attached_sources(result: ToolResult, known: int) -> list[Source]:
    """What an answer has attached, as sources numbered after the `known` ones. Pure."""
    found = attachments_of(result.answer) if result.ok else []
    return [_source(one, n, result.call.tool) for n, one in enumerate(found, known + 1)]


def message_with(result: ToolResult, sources: list[Source]) -> Message:
    """The answer as the model reads it: its own text, then what is attached as passages. Pure."""
    answer: JsonObject = result.answer
    shown = ToolResult(result.call, result.ok, answer["answer"]).message
    passages = render(Passage(one.n, one.title, one.text) for one in sources)
    return {**shown, "content": f"{shown['content']}\n\n{passages}".strip()}


def _source(one: Attachment, n: int, tool: str) -> Source:
    text = one.text or one.uri or one.mime_type
    return Source(n=n, title=one.title or tool, source=one.uri or tool, document_id=f"{tool}/{n}", text=text)
