"""OpenAI's chat wire as this API takes it; a request that says nonsense is refused here, by field."""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agents.context import RunConfig
from tools.errors import BadRequest, EmptyQuestion, TooLarge
from tools.schema import CollectionName, Language
from tools.settings import Limits

MOST_MESSAGES = 1_000
ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
ThreadId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")]
Text = Annotated[str, Field(max_length=2_000_000)]


def plain_json(value: Any) -> Any:
    """`value` when every store and every reader can take it: finite numbers, integers of 64 bits, whole
    characters, no NUL."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    text.encode()
    if "\\u0000" in text:
        raise ValueError("text may not hold NUL")
    json.loads(text, parse_int=_integer)
    return value


def _integer(digits: str) -> int:
    if not -(2**63) <= (number := int(digits)) < 2**63:
        raise ValueError("an integer may have 64 bits")
    return number


class Lenient(BaseModel):
    """OpenAI's clients send more fields than we know: those are left out, ours are checked."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class Part(Lenient):
    type: Text
    text: Text = ""


class ChatMessage(Lenient):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | list[Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text")
        return self.content or ""

    def plain(self) -> dict[str, str]:
        return {"role": self.role, "content": self.text}


class Metadata(Lenient):
    """What this platform reads of OpenAI's `metadata`; values may come as strings."""

    collection: CollectionName | None = None
    thread_id: ThreadId | None = None
    language: Language | None = None
    speak: bool = False
    user: Annotated[str, Field(pattern=r"^[\w@.+-]{1,128}$")] | None = None
    tools: Annotated[list[ToolName], Field(max_length=64)] | None = None

    @field_validator("tools", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """OpenAI's metadata holds texts alone: `"search_knowledge, query_sql"` is a list too."""
        return [name for name in re.split(r"[\s,]+", value) if name] if isinstance(value, str) else value

    def wishes(self, options: dict[str, Any] | None = None) -> RunConfig:
        return RunConfig(
            collection=self.collection,
            language=self.language,
            speak=self.speak,
            tools=None if self.tools is None else tuple(self.tools),
            user=self.user,
            options=options or {},
        )


class StreamOptions(Lenient):
    include_usage: bool = False


class ChatRequest(Lenient):
    """`POST /v1/chat/completions` for an agent; what is `None` is left to the model."""

    model: Annotated[str, Field(min_length=1, max_length=256)] = "capibara6"
    messages: list[ChatMessage] = Field(min_length=1, max_length=MOST_MESSAGES)
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
    def options(self) -> dict[str, Any]:
        """What goes to the model as it is."""
        names = {"temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "stop"}
        return self.model_dump(include=names, exclude_none=True)

    @property
    def thread(self) -> str | None:
        return self.thread_id or self.conversation or (self.metadata and self.metadata.thread_id) or None

    @property
    def wishes(self) -> RunConfig:
        return (self.metadata or Metadata()).wishes(self.options)

    @property
    def instructions(self) -> str:
        """What the caller's program tells the model, beside the agent's own words."""
        return "\n".join(message.text for message in self.messages if message.role in ("system", "developer"))

    def asked(self, limits: Limits) -> list[dict[str, str]]:
        """The conversation, its last message being the question. With a thread, only what is new in it."""
        talk = [message for message in self.messages if message.role in ("user", "assistant")]
        if not talk or talk[-1].role != "user":
            raise BadRequest("the last message must be the user's", param="messages", source="api")
        check_question(talk[-1].text, limits)
        if self.thread is not None:
            answered = [at for at, message in enumerate(talk) if message.role == "assistant"]
            talk = talk[answered[-1] + 1 :] if answered else talk
        return [message.plain() for message in talk]


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
