"""Messages as clients of the two protocols write them: OpenAI's roles, LangChain's types, a pair, a text."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    TypeAdapter,
    field_validator,
    model_validator,
)

from servers.api.http.dependencies import RequestModel, StorableObject
from servers.api.http.openai_requests import ContentPart, check_question
from servers.api.runs.tables import new_id
from tools.errors import BadRequest
from tools.schema import JsonObject
from tools.settings import Limits

ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
}
"""Our role of what a client calls a message's author; LangChain also writes classes (`AIMessageChunk`)."""
Text = Annotated[str, Field(max_length=2_000_000)]
MessageId = Annotated[str, Field(max_length=128, pattern=r"^[^\x00-\x1f]*$")]


class InputMessage(RequestModel):
    """One message under `role` or `type`; `id` is kept, so that a client's copy is not doubled."""

    role: Annotated[str, Field(max_length=64)]
    content: Text | list[ContentPart | Text] | None = None
    id: MessageId | None = None
    tool_calls: JsonValue = None

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"role": "user", "content": value}
        if isinstance(value, list) and len(value) == 2:
            return {"role": value[0], "content": value[1]}
        if isinstance(value, dict) and "role" not in value:
            return {**value, "role": value.get("type")}
        return value

    @field_validator("role")
    @classmethod
    def _known(cls, value: str) -> str:
        name = value.removesuffix("Chunk").removesuffix("Message").lower()
        if name not in ROLES:
            raise ValueError(f"{value!r} is no author of a message; there are: {', '.join(ROLES)}")
        return ROLES[name]

    @property
    def text(self) -> str:
        """The content as one text. Raises `BadRequest` for a part that is none."""
        parts = self.content if isinstance(self.content, list) else [self.content or ""]
        other = next(
            (part.type for part in parts if isinstance(part, ContentPart) and part.type != "text"), None
        )
        if other is not None:
            why = f"agents read text alone, not {other[:40]!r}"
            raise BadRequest(why, param="input.messages", source="api", code="media_not_supported")
        return "\n".join(part if isinstance(part, str) else part.text for part in parts)

    def plain(self) -> JsonObject:
        """`{role, content, id}` for the agents."""
        return {"role": self.role, "content": self.text, "id": self.id or new_id()}


_messages: TypeAdapter[list[InputMessage]] = TypeAdapter(
    Annotated[
        list[InputMessage],
        Field(max_length=1_000),
        BeforeValidator(lambda value: value if isinstance(value, list) else [value]),
    ]
)


def _with_plain_messages(values: JsonObject) -> JsonObject:
    """Values of a state, whose messages are the agents' however a client wrote them: what is kept otherwise
    nobody could read again. Raises `BadRequest`, `ValidationError`."""
    if values.get("messages") is None:
        return values
    return {**values, "messages": [one.plain() for one in _messages.validate_python(values["messages"])]}


WrittenValues = Annotated[StorableObject, AfterValidator(_with_plain_messages)]
"""Values that a client writes into a thread's state."""


def question_last(messages: Sequence[InputMessage], limits: Limits) -> list[JsonObject]:
    """What users and assistants said, the question last. Raises `BadRequest`, `EmptyQuestion`, `TooLarge`."""
    conversation = [one for one in messages if one.role in ("user", "assistant")]
    if not conversation or conversation[-1].role != "user":
        raise BadRequest("the input's last message must be the user's", param="input", source="api")
    check_question(conversation[-1].text, limits)
    return [message.plain() for message in conversation]


def instructions_in(messages: Sequence[InputMessage]) -> str:
    """The system messages, which go to the model beside the agent's own prompt."""
    return "\n".join(message.text for message in messages if message.role == "system")


def left_out(messages: Sequence[InputMessage]) -> list[str]:
    """What of messages the agents take no notice of, by name."""
    found = ["input.messages.tool"] if any(one.role == "tool" for one in messages) else []
    return found + (["input.messages.tool_calls"] if any(one.tool_calls for one in messages) else [])
