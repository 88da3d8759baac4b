"""OpenAI's chat messages as an agent takes them: a conversation up to its question, and the calls that the
caller has made for it since.
"""

from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from servers.api.http.openai.fields import OpenAIObject, Refusal
from servers.api.http.openai_requests import ContentPart, Text, check_parts, check_question
from tools.errors import BadRequest
from tools.schema import JsonObject
from tools.settings import Limits

MOST_CALLS = 128
ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
CallId = Annotated[str, Field(min_length=1, max_length=256)]


class CalledFunction(OpenAIObject):
    """What the model wanted called; `arguments` are as it wrote them."""

    name: ToolName
    arguments: Text = ""


class CalledTool(OpenAIObject):
    """A call in an assistant's message."""

    id: CallId
    type: Literal["function"] = "function"
    function: CalledFunction

    def plain(self) -> JsonObject:
        """As the model wrote it."""
        function = {"name": self.function.name, "arguments": self.function.arguments}
        return {"id": self.id, "type": self.type, "function": function}


class ChatMessage(OpenAIObject):
    """One message of a conversation."""

    without_effect = frozenset({"name", "refusal"})
    refused: ClassVar = {
        "function_call": Refusal("functions are called through tool_calls"),
        "audio": Refusal("agents read text alone"),
    }

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text | list[ContentPart] | None = None
    tool_calls: Annotated[list[CalledTool], Field(max_length=MOST_CALLS)] | None = None
    tool_call_id: CallId | None = None
    name: Text | None = None
    refusal: Text | None = None

    @property
    def text(self) -> str:
        """The content as one text, parts joined by newlines."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text")
        return self.content or ""

    def plain(self) -> JsonObject:
        """The message for the agents."""
        message: JsonObject = {"role": self.role, "content": self.text}
        if self.role == "assistant" and self.tool_calls:
            message["content"] = self.text or None
            message["tool_calls"] = [call.plain() for call in self.tool_calls]
        if self.role == "tool":
            message["tool_call_id"] = self.tool_call_id
        return message


class Asked(NamedTuple):
    """`messages` up to the question, which is the last; `scratch` is what came of it since."""

    messages: list[JsonObject]
    scratch: list[JsonObject]


def read_conversation(messages: list[ChatMessage], limits: Limits, *, threaded: bool) -> Asked:
    """What an agent is asked; `threaded` leaves out what its thread remembers.

    Raises `BadRequest`, `EmptyQuestion` or `TooLarge`."""
    talk = [message for message in messages if message.role not in ("system", "developer")]
    if not talk or talk[-1].role not in ("user", "tool"):
        raise _bad("the last message must be the user's, or the result of a tool")
    check_parts(talk)
    _check_calls(talk)
    at = max((n for n, message in enumerate(talk) if message.role == "user"), default=None)
    if at is None:
        raise _bad("there is no message of the user")
    check_question(talk[at].text, limits)
    answered = [n + 1 for n, message in enumerate(talk[:at]) if message.role == "assistant"]
    start = answered[-1] if threaded and answered else 0
    start += next((n for n, message in enumerate(talk[start:]) if message.role != "tool"), 0)
    return Asked(
        [message.plain() for message in talk[start : at + 1]],
        [message.plain() for message in talk[at + 1 :]],
    )


def instructions_of(messages: list[ChatMessage]) -> str:
    """The system and developer messages, which go to the model beside the agent's own prompt."""
    return "\n".join(message.text for message in messages if message.role in ("system", "developer"))


def _check_calls(talk: list[ChatMessage]) -> None:
    """Every result belongs to a call, and every call has its result before anybody speaks again."""
    waiting = set[str]()
    for message in talk:
        if message.role == "tool":
            if message.tool_call_id not in waiting:
                raise _bad(f"no call before it has the tool_call_id {str(message.tool_call_id)[:64]!r}")
            waiting.discard(message.tool_call_id)
            continue
        if waiting:
            raise _bad(f"the call {sorted(waiting)[0][:64]!r} has no result")
        if message.role == "assistant":
            waiting = {call.id for call in message.tool_calls or ()}
    if waiting:
        raise _bad(f"the call {sorted(waiting)[0][:64]!r} has no result")


def _bad(why: str) -> BadRequest:
    return BadRequest(why, param="messages", source="api")
