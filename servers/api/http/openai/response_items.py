"""The items of OpenAI's responses: a request's as chat messages, and an answer as output items."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal
from uuid import uuid4

from pydantic import Discriminator, Field, Tag

from agents.grounding.citations import MARK
from servers.api.http.openai.fields import OpenAIObject
from servers.api.http.openai.messages import CallId, ChatMessage, ToolName
from servers.api.http.openai_requests import MAX_MESSAGES, ContentPart, Text
from tools.errors import BadRequest
from tools.schema import Answer, JsonObject

TEXTS = ("input_text", "output_text", "text")


class InputMessage(OpenAIObject):
    """A message; parts that are not text are refused where agents read them."""

    without_effect = frozenset({"id", "status", "phase"})

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[ContentPart]
    id: Text | None = None
    status: Text | None = None
    phase: Text | None = None

    @property
    def ignored(self) -> list[str]:
        """What a client gives back of an earlier answer is no choice of its own."""
        return [] if self.role == "assistant" else [name for name in super().ignored if name != "id"]


class CallItem(OpenAIObject):
    """A call that the model asked for, given back."""

    type: Literal["function_call"]
    call_id: CallId
    name: ToolName
    arguments: Text
    id: Text | None = None
    status: Text | None = None


class CallOutput(OpenAIObject):
    """What a call gave."""

    type: Literal["function_call_output"]
    call_id: CallId
    output: Text | list[ContentPart]
    id: Text | None = None
    status: Text | None = None


class ReasoningItem(OpenAIObject):
    """What a model thought, given back: it is not read again."""

    type: Literal["reasoning"]

    @property
    def ignored(self) -> list[str]:
        """All of it."""
        return ["reasoning"]


def _kind(item: Any) -> str:
    given = item.get("type", "message") if isinstance(item, dict) else getattr(item, "type", "message")
    return given if isinstance(given, str) else "?"


InputItem = Annotated[
    Annotated[InputMessage, Tag("message")]
    | Annotated[CallItem, Tag("function_call")]
    | Annotated[CallOutput, Tag("function_call_output")]
    | Annotated[ReasoningItem, Tag("reasoning")],
    Discriminator(_kind),
]
Input = Text | Annotated[list[InputItem], Field(min_length=1, max_length=MAX_MESSAGES)]


class Named(OpenAIObject):
    """A thing by its id."""

    refused: ClassVar = {}

    id: Annotated[str, Field(min_length=1, max_length=128)]


def items_of(given: Input) -> Sequence[InputItem]:
    """The items of an input; a text is one message of the user."""
    return [InputMessage(role="user", content=given)] if isinstance(given, str) else given


def chat_messages(items: Sequence[InputItem]) -> list[ChatMessage]:
    """The items as chat messages; calls that follow each other are one message's. Raises BadRequest."""
    messages: list[JsonObject] = []
    for item in items:
        match item:
            case InputMessage():
                messages.append({"role": item.role, "content": _content(item.content)})
            case CallItem():
                last = messages[-1] if messages else {}
                if last.get("role") != "assistant":
                    messages.append(last := {"role": "assistant", "content": None})
                function = {"name": item.name, "arguments": item.arguments}
                call = {"id": item.call_id, "type": "function", "function": function}
                last["tool_calls"] = [*last.get("tool_calls", ()), call]
            case CallOutput():
                content = _content(item.output)
                messages.append({"role": "tool", "tool_call_id": item.call_id, "content": content})
            case ReasoningItem():
                pass
    return [ChatMessage.model_validate(message) for message in messages]


def listed_item(item: InputItem) -> JsonObject:
    """An item as the list of a stored response's input shows it: with an id, and parts for a text."""
    listed = {"id": new_id("in"), **item.model_dump(mode="json", exclude_unset=True, exclude_none=True)}
    if isinstance(item, InputMessage):
        kind = "output_text" if item.role == "assistant" else "input_text"
        parts = [ContentPart(type=kind, text=item.content)] if isinstance(item.content, str) else item.content
        listed["content"] = [{"type": kind, "text": part.text} for part in parts]
        listed["type"] = "message"
    return listed


def _content(content: str | list[ContentPart]) -> str | list[JsonObject]:
    if isinstance(content, str):
        return content
    if other := next((part.type for part in content if part.type not in TEXTS), None):
        raise BadRequest(
            f"text alone is read here, not {other[:40]!r}",
            param="input",
            source="api",
            code="media_not_supported",
        )
    return [{"type": "text", "text": part.text} for part in content]


def output_items(answer: Answer) -> list[JsonObject]:
    """An answer as output items: what was thought, what was said, and the calls to make."""
    items: list[JsonObject] = []
    if answer.reasoning:
        items.append(reasoning_item(answer.reasoning))
    if answer.answer or not answer.tool_calls:
        status = "incomplete" if answer.finish_reason == "length" else "completed"
        items.append(message_item([text_part(answer.answer, answer)], status=status))
    return items + [call_item(call) for call in answer.tool_calls]


def message_item(content: list[JsonObject], *, status: str) -> JsonObject:
    """An assistant's message."""
    item = {"id": new_id("msg"), "type": "message", "role": "assistant"}
    return {**item, "status": status, "content": content}


def text_part(text: str, answer: Answer | None = None) -> JsonObject:
    """A text with its citations: each mark is an annotation with the passage's document."""
    annotations: list[JsonObject] = []
    if answer is not None:
        cited = {one.n: one for one in answer.citations}
        annotations = [
            {
                "type": "file_citation",
                "index": mark.start(),
                "file_id": cited[int(mark[1])].document_id,
                "filename": cited[int(mark[1])].title,
            }
            for mark in MARK.finditer(text)
            if int(mark[1]) in cited
        ]
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}


def reasoning_item(text: str) -> JsonObject:
    """What a model thought aloud."""
    content = [{"type": "reasoning_text", "text": text}] if text else []
    return {"id": new_id("rs"), "type": "reasoning", "summary": [], "content": content}


def call_item(call: JsonObject, *, status: str = "completed") -> JsonObject:
    """A call that the caller is to make."""
    function = call["function"]
    named = {"call_id": call["id"], "name": function["name"]}
    identity = {"id": new_id("fc"), "type": "function_call", **named}
    return {**identity, "arguments": function["arguments"] if status == "completed" else "", "status": status}


def new_id(kind: str) -> str:
    """An id as OpenAI's are written."""
    return f"{kind}_{uuid4().hex}"
