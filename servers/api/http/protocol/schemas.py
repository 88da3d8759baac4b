"""The Agent Protocol's requests and answers as models. An option that has no effect here is refused."""

from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, Field, JsonValue

from agents.context import RunConfig
from agents.conversation.ownership import thread_id_of
from servers.api.http.dependencies import (
    Limit,
    Offset,
    RequestModel,
    StorableObject,
    StorableValue,
    ThreadId,
)
from servers.api.http.openai_requests import ChatMessage, Metadata, check_parts, check_question
from servers.api.runs.runner import Strategy
from servers.api.runs.tables import RunRequest, RunRow, ThreadRow, new_id
from tools.errors import BadRequest, NotSupported
from tools.schema import JsonObject
from tools.settings import Limits

ClientMetadata = Annotated[StorableObject, Field(max_length=64)]
"""Whatever a client attaches to a thread or a run."""


class ThreadCreate(RequestModel):
    """A thread to create."""

    thread_id: ThreadId | None = None
    metadata: ClientMetadata = Field(default={})
    if_exists: Literal["raise", "do_nothing"] = "raise"


class ThreadPatch(RequestModel):
    """Metadata to merge into a thread's own."""

    metadata: ClientMetadata


class ThreadCopy(RequestModel):
    """How much of a thread to copy: what came before a run, or all of it."""

    before: Annotated[str, Field(max_length=128)] | None = None


class ThreadSearch(RequestModel):
    """Threads whose metadata contains `metadata`."""

    metadata: ClientMetadata = Field(default={})
    status: Literal["idle", "busy", "interrupted", "error"] | None = None
    limit: Limit = 10
    offset: Offset = 0


class ThreadFind(RequestModel):
    """Words to look for in questions and answers."""

    text: Annotated[str, Field(min_length=1, max_length=500)]
    limit: Limit = 50


class FoundThread(BaseModel):
    """A thread that speaks of what was looked for, and where."""

    thread_id: str
    excerpt: str


class HistorySearch(RequestModel):
    """Checkpoints of a thread before the one with the id `before`."""

    limit: Limit = 10
    before: Annotated[str, Field(max_length=128)] | None = None


class RunInput(RequestModel):
    """New messages of the conversation, or one question."""

    messages: list[ChatMessage] = Field(default=[], max_length=1_000)
    question: Annotated[str, Field(max_length=2_000_000)] | None = None

    def new_messages(self, limits: Limits) -> list[dict[str, str]]:
        """`{role, content}` each, the question last. Raises `BadRequest`, `EmptyQuestion`, `TooLarge`."""
        conversation = [message for message in self.messages if message.role in ("user", "assistant")]
        check_parts(conversation)
        if self.question is not None:
            conversation.append(ChatMessage(role="user", content=self.question))
        if not conversation or conversation[-1].role != "user":
            raise BadRequest("the input's last message must be the user's", param="input", source="api")
        check_question(conversation[-1].text, limits)
        return [message.plain() for message in conversation]


class RunCommand(RequestModel):
    """The answer to an interrupt."""

    resume: StorableValue


class Config(RequestModel):
    """LangGraph's place for what this platform reads of `metadata`."""

    configurable: Metadata = Metadata()


class RunCreate(RequestModel):
    """A run to start: new input, or the answer (`command`) to the interrupt that its thread waits with."""

    agent_id: Annotated[
        str, Field(validation_alias=AliasChoices("agent_id", "assistant_id"), max_length=256)
    ] = "capibara6"
    input: RunInput | None = None
    command: RunCommand | None = None
    metadata: ClientMetadata = Field(default={})
    config: Config = Config()
    multitask_strategy: Literal["reject", "enqueue", "interrupt", "rollback"] = "reject"
    on_disconnect: Literal["cancel", "continue"] = "cancel"
    if_not_exists: Literal["create", "reject"] = "reject"
    webhook: JsonValue = None
    after_seconds: JsonValue = None
    checkpoint: JsonValue = None
    checkpoint_id: JsonValue = None

    @property
    def strategy(self) -> Strategy:
        """Raises `NotSupported` for `rollback`."""
        if self.multitask_strategy == "rollback":
            raise NotSupported("runs can not be rolled back", param="multitask_strategy", source="api")
        return self.multitask_strategy

    def row(self, thread_id: str | None, limits: Limits) -> RunRow:
        """The run to accept, on a thread or without one. Raises `BadRequest` or `NotSupported`."""
        for name in ("webhook", "after_seconds", "checkpoint", "checkpoint_id"):
            if getattr(self, name) is not None:
                raise NotSupported(f"{name} is not supported", param=name, source="api")
        if (self.input is None) == (self.command is None):
            raise BadRequest("a run takes an input or a command", param="input", source="api")
        request: RunRequest = {}
        if self.input is not None:
            request["messages"] = self.input.new_messages(limits)
            request["wishes"] = _set_fields(self.config.configurable.wishes())
        if self.command is not None:
            request["command"] = self.command.resume
        run_id = new_id()
        return RunRow(
            run_id=run_id,
            thread_id=thread_id or f"run-{run_id}",
            stateless=thread_id is None,
            agent_id=self.agent_id,
            request=request,
            meta=self.metadata,
        )


class ThreadView(BaseModel):
    """A thread's row; times are ISO 8601."""

    thread_id: str
    status: str
    metadata: JsonObject
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, row: ThreadRow) -> "ThreadView":
        """A row as its readers see it."""
        return cls(**_thread_fields(row))


class ThreadValuesView(ThreadView):
    """A thread with its conversation and last turn (`values`)."""

    values: JsonObject

    @classmethod
    def with_values(cls, row: ThreadRow, values: JsonObject) -> "ThreadValuesView":
        """A row and what its newest checkpoint holds."""
        return cls(**_thread_fields(row), values=values)


class RunView(BaseModel):
    """A run's row; times are ISO 8601, `thread_id` is None for a run without a thread."""

    run_id: str
    thread_id: str | None
    agent_id: str
    assistant_id: str
    status: str
    metadata: JsonObject
    attempt: int
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, row: RunRow) -> "RunView":
        """A row as its readers see it."""
        return cls(
            run_id=row.run_id,
            thread_id=None if row.stateless else thread_id_of(row.thread_id),
            agent_id=row.agent_id,
            assistant_id=row.agent_id,
            status=row.status,
            metadata=row.meta,
            attempt=row.attempt,
            created_at=row.created_at.isoformat(),
            updated_at=row.updated_at.isoformat(),
        )


def _thread_fields(row: ThreadRow) -> JsonObject:
    return {
        "thread_id": thread_id_of(row.thread_id),
        "status": row.status,
        "metadata": row.meta,
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
    }


def _set_fields(wishes: RunConfig) -> JsonObject:
    """The choices that the caller made, without those left open."""
    return {name: value for name, value in vars(wishes).items() if value not in (None, False, {}, ())}
