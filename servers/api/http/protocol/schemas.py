"""The Agent Protocol's requests and answers. What would be ignored in silence is refused."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, Field, JsonValue

from agents.context import RunConfig
from servers.api.http.openai_requests import (
    ChatMessage,
    Lenient,
    Metadata,
    ThreadId,
    check_question,
    plain_json,
)
from servers.api.runs.runner import Strategy
from servers.api.runs.tables import RunRow, ThreadRow, new_id
from tools.errors import BadRequest, NotSupported
from tools.settings import Limits

Info = Annotated[dict[str, JsonValue], Field(max_length=64), AfterValidator(plain_json)]
Page = Annotated[int, Field(ge=1, le=1_000)]
Offset = Annotated[int, Field(ge=0, le=1_000_000)]


class ThreadCreate(Lenient):
    thread_id: ThreadId | None = None
    metadata: Info = Field(default={})
    if_exists: Literal["raise", "do_nothing"] = "raise"


class ThreadPatch(Lenient):
    metadata: Info


class ThreadSearch(Lenient):
    metadata: Info = Field(default={})
    status: Literal["idle", "busy", "interrupted", "error"] | None = None
    limit: Page = 10
    offset: Offset = 0


class HistorySearch(Lenient):
    limit: Page = 10
    before: Annotated[str, Field(max_length=128)] | None = None


class RunInput(Lenient):
    """New messages of the conversation, or one question."""

    messages: list[ChatMessage] = Field(default=[], max_length=1_000)
    question: Annotated[str, Field(max_length=2_000_000)] | None = None

    def plain(self, limits: Limits) -> list[dict[str, str]]:
        talk = [message for message in self.messages if message.role in ("user", "assistant")]
        if self.question is not None:
            talk.append(ChatMessage(role="user", content=self.question))
        if not talk or talk[-1].role != "user":
            raise BadRequest("the input's last message must be the user's", param="input", source="api")
        check_question(talk[-1].text, limits)
        return [message.plain() for message in talk]


class RunCommand(Lenient):
    resume: Annotated[JsonValue, AfterValidator(plain_json)]


class Config(Lenient):
    configurable: Metadata = Metadata()


class RunRequest(Lenient):
    agent_id: Annotated[
        str, Field(validation_alias=AliasChoices("agent_id", "assistant_id"), max_length=256)
    ] = "capibara6"
    input: RunInput | None = None
    command: RunCommand | None = None
    metadata: Info = Field(default={})
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
        if self.multitask_strategy == "rollback":
            raise NotSupported("runs can not be rolled back", param="multitask_strategy", source="api")
        return self.multitask_strategy

    def row(self, thread_id: str | None, limits: Limits) -> RunRow:
        """The run as it will be accepted. Raises `BadRequest` or `NotSupported`."""
        for name in ("webhook", "after_seconds", "checkpoint", "checkpoint_id"):
            if getattr(self, name) is not None:
                raise NotSupported(f"{name} is not supported", param=name, source="api")
        if (self.input is None) == (self.command is None):
            raise BadRequest("a run takes an input or a command", param="input", source="api")
        order: dict[str, Any] = {}
        if self.input is not None:
            order["messages"] = self.input.plain(limits)
            order["wishes"] = _plain(self.config.configurable.wishes())
        if self.command is not None:
            order["command"] = self.command.resume
        run_id = new_id()
        return RunRow(
            run_id=run_id,
            thread_id=thread_id or f"run-{run_id}",
            stateless=thread_id is None,
            agent_id=self.agent_id,
            order=order,
            info=self.metadata,
        )


def show_thread(row: ThreadRow, values: dict[str, Any] | None = None) -> dict[str, Any]:
    shown = {
        "thread_id": row.thread_id,
        "status": row.status,
        "metadata": row.info,
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
    }
    return shown if values is None else {**shown, "values": values}


def show_run(row: RunRow) -> dict[str, Any]:
    return {
        "run_id": row.run_id,
        "thread_id": None if row.stateless else row.thread_id,
        "agent_id": row.agent_id,
        "assistant_id": row.agent_id,
        "status": row.status,
        "metadata": row.info,
        "attempt": row.attempt,
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
    }


def _plain(wishes: RunConfig) -> dict[str, Any]:
    return {name: value for name, value in vars(wishes).items() if value not in (None, False, {}, ())}
