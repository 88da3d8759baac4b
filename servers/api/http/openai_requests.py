"""What OpenAI's requests and the Agent Protocol's have in common: messages, metadata, a question's bounds."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field, field_validator

from agents.context import RunConfig
from servers.api.http.dependencies import RequestModel, ThreadId
from tools.errors import BadRequest, EmptyQuestion, TooLarge
from tools.schema import CollectionName, JsonObject, Language
from tools.settings import Limits

MAX_MESSAGES = 1_000
ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}\*?$")]
Text = Annotated[str, Field(max_length=2_000_000)]


class ContentPart(RequestModel):
    """A part of a message's content; agents read `text` alone and refuse the others."""

    type: Text
    text: Text = ""


class ChatMessage(RequestModel):
    """One message; other fields of OpenAI's are left out."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | list[ContentPart] | None = None

    @property
    def text(self) -> str:
        """The content as one text, parts joined by newlines."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text")
        return self.content or ""

    def plain(self) -> dict[str, str]:
        """`{role, content}` for the agents."""
        return {"role": self.role, "content": self.text}


class Metadata(RequestModel):
    """What this platform reads of OpenAI's `metadata`; values may come as strings."""

    collection: CollectionName | None = None
    model: Annotated[str, Field(max_length=256, pattern=r"^[A-Za-z0-9_@.:/+-]+$")] | None = None
    thread_id: ThreadId | None = None
    language: Language | None = None
    speak: bool = False
    user: Annotated[str, Field(pattern=r"^[\w@.+-]{1,128}$")] | None = None
    tools: Annotated[list[ToolName], Field(max_length=64)] | None = None

    @field_validator("tools", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        """OpenAI's metadata holds texts alone: `"search_knowledge, query_sql"` is a list too."""
        return [name for name in re.split(r"[\s,]+", value) if name] if isinstance(value, str) else value

    def wishes(
        self,
        options: JsonObject | None = None,
        *,
        calling: JsonObject | None = None,
        response_format: JsonObject | None = None,
    ) -> RunConfig:
        """The caller's choices for one run; `options` go to the model as they are."""
        return RunConfig(
            collection=self.collection,
            model=self.model,
            language=self.language,
            speak=self.speak,
            tools=None if self.tools is None else tuple(self.tools),
            user=self.user,
            options=options or {},
            calling=calling or {},
            response_format=response_format,
        )


class WithContent(Protocol):
    """A message."""

    @property
    def content(self) -> str | list[ContentPart] | None:
        """Text, or parts of which agents read the text."""
        ...


def check_parts(conversation: Sequence[WithContent]) -> None:
    """Raises `BadRequest` for a part that no agent could take notice of: a picture, a sound, a file."""
    for message in conversation:
        parts = message.content if isinstance(message.content, list) else []
        other = next((part.type for part in parts if part.type != "text"), None)
        if other is not None:
            raise BadRequest(
                f"agents read text alone, not {other[:40]!r}; ask a model that takes it by its name",
                param="messages",
                source="api",
                code="media_not_supported",
            )


def check_question(question: str, limits: Limits, *, param: str = "messages") -> None:
    """Raises `EmptyQuestion` or `TooLarge`."""
    if not question.strip():
        raise EmptyQuestion("the question is empty", param=param, source="api")
    if len(question) > limits.question_chars:
        raise TooLarge(
            f"a question may have {limits.question_chars} characters",
            param=param,
            source="api",
            code="question_too_long",
        )
