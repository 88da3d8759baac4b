"""OpenAI's chat completion request as this API takes it; an invalid one is refused here, by field."""

import re
from typing import Annotated, Any, Literal

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

    def wishes(self, options: JsonObject | None = None) -> RunConfig:
        """The caller's choices for one run; `options` go to the model as they are."""
        return RunConfig(
            collection=self.collection,
            language=self.language,
            speak=self.speak,
            tools=None if self.tools is None else tuple(self.tools),
            user=self.user,
            options=options or {},
        )


class StreamOptions(RequestModel):
    """`include_usage` asks for a last chunk with the tokens used."""

    include_usage: bool = False


class ChatRequest(RequestModel):
    """`POST /v1/chat/completions` for an agent; what is `None` is left to the model."""

    model: Annotated[str, Field(min_length=1, max_length=256)] = "capibara6"
    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool = False
    stream_options: StreamOptions | None = None
    metadata: Metadata | None = None
    thread_id: ThreadId | None = None
    conversation: ThreadId | None = None
    n: int = Field(default=1, ge=1, le=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1, le=131_072)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=131_072)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: Annotated[str, Field(max_length=256)] | list[Annotated[str, Field(max_length=256)]] | None = Field(
        default=None, max_length=256
    )

    @property
    def options(self) -> JsonObject:
        """The sampling parameters that go to the model as they are."""
        names = {"temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "stop"}
        return self.model_dump(include=names, exclude_none=True)

    @property
    def thread(self) -> str | None:
        """The thread's id, in whichever of the three fields the client put it."""
        return self.thread_id or self.conversation or (self.metadata and self.metadata.thread_id) or None

    @property
    def wishes(self) -> RunConfig:
        """The caller's choices, from `metadata` and the sampling parameters."""
        return (self.metadata or Metadata()).wishes(self.options)

    @property
    def instructions(self) -> str:
        """The system and developer messages, which go to the model beside the agent's own prompt."""
        return "\n".join(message.text for message in self.messages if message.role in ("system", "developer"))

    def new_messages(self, limits: Limits) -> list[dict[str, str]]:
        """The conversation up to the question, its last message; with a thread only what is new in it.

        Raises `BadRequest`, `EmptyQuestion` or `TooLarge`.
        """
        conversation = [message for message in self.messages if message.role in ("user", "assistant")]
        if not conversation or conversation[-1].role != "user":
            raise BadRequest("the last message must be the user's", param="messages", source="api")
        check_parts(conversation)
        check_question(conversation[-1].text, limits)
        if self.thread is not None:
            answered = [at for at, message in enumerate(conversation) if message.role == "assistant"]
            conversation = conversation[answered[-1] + 1 :] if answered else conversation
        return [message.plain() for message in conversation]


def check_parts(conversation: list[ChatMessage]) -> None:
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


def check_question(question: str, limits: Limits) -> None:
    """Raises `EmptyQuestion` or `TooLarge`."""
    if not question.strip():
        raise EmptyQuestion("the question is empty", param="messages", source="api")
    if len(question) > limits.question_chars:
        raise TooLarge(
            f"a question may have {limits.question_chars} characters",
            param="messages",
            source="api",
            code="question_too_long",
        )
