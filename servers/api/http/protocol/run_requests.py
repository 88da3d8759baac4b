"""Requests for runs, of the Agent Protocol and of LangGraph's API. An option without effect here is refused
by name; what a client merely passes on (`input` and `configurable` of a graph around ours) is named in a
header instead.
"""

from collections.abc import Collection
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from agents.graph_options import GraphOptions, StreamMode
from servers.api.assistants.catalog import Resolved
from servers.api.assistants.definition import Definition, stored_wishes
from servers.api.http.dependencies import RequestModel, StorableObject, StorableValue, ThreadId
from servers.api.http.protocol.messages import (
    InputMessage,
    WrittenValues,
    instructions_in,
    left_out,
    question_last,
)
from servers.api.runs.runner import Strategy
from servers.api.runs.states import refuse_unwritable
from servers.api.runs.tables import RunRequest
from tools.errors import BadRequest, NotSupported
from tools.schema import JsonObject
from tools.settings import Limits

ClientMetadata = Annotated[StorableObject, Field(max_length=64)]
"""Whatever a client attaches to a thread, a run or an assistant."""
NodeName = Annotated[str, Field(max_length=128)]
CheckpointId = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_.:-]+$")]
LANGGRAPH_OWN = frozenset(
    {"thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map", "run_id", "user_id"}
)
"""Fields of `configurable` that name what the request names elsewhere."""
WITHOUT_EFFECT = {
    "checkpoint_during": "use durability",
    "feedback_keys": "there is no feedback by run",
    "langsmith_tracer": "nothing is traced elsewhere",
    "strict_resume": "an answer that no run waits for is always refused",
}
MOST_DELAY_S = 86_400.0


class StrictRequest(RequestModel):
    """A request body of which every field means something: others are refused by name."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class RunInput(RequestModel):
    """New messages of the conversation, or one question. Other fields of a state around ours are left out."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    messages: Annotated[list[InputMessage], Field(max_length=1_000)] = Field(default=[])
    question: Annotated[str, Field(max_length=2_000_000)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        return {"question": value} if isinstance(value, str) else value

    @field_validator("messages", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return [value] if isinstance(value, (str, dict)) else value

    @property
    def said(self) -> list[InputMessage]:
        """The messages with the question as the last of them."""
        asked = [] if self.question is None else [InputMessage(role="user", content=self.question)]
        return [*self.messages, *asked]


class RunCommand(StrictRequest):
    """LangGraph's command: the answer to an interrupt, values to write, nodes to go to."""

    resume: StorableValue = None
    update: WrittenValues | None = None
    goto: NodeName | list[NodeName] | None = None
    graph: None = None

    @property
    def nodes(self) -> tuple[str, ...]:
        """Where to go."""
        return (self.goto,) if isinstance(self.goto, str) else tuple(self.goto or ())


class Checkpoint(StrictRequest):
    """A checkpoint's name; graphs here have no graphs inside."""

    thread_id: ThreadId | None = None
    checkpoint_id: CheckpointId | None = None
    checkpoint_ns: Literal[""] | None = None
    checkpoint_map: dict[str, JsonValue] | None = None


class Configuration(StrictRequest):
    """LangGraph's `config`; `configurable` holds the fields of `context`, and what a caller passes on."""

    tags: Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=64)] = Field(default=[])
    recursion_limit: int | None = Field(default=None, ge=1, le=10_000)
    configurable: StorableObject = Field(default={})
    metadata: ClientMetadata = Field(default={})

    @property
    def definition(self) -> Definition:
        """The fields of `configurable` that are choices of a run. Raises `BadRequest`."""
        known = {name: value for name, value in self.configurable.items() if name in Definition.model_fields}
        try:
            return Definition(**known)  # type: ignore[arg-type]  # they are checked by it
        except ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(map(str, ("config", "configurable", *first["loc"])))
            raise BadRequest(first["msg"], param=where, source="api", code="invalid_value") from exc

    @property
    def ignored(self) -> list[str]:
        """What of `configurable` nobody reads here."""
        known = LANGGRAPH_OWN | Definition.model_fields.keys()
        return [f"config.configurable.{name}" for name in self.configurable if name not in known]


class RunChoices(StrictRequest):
    """What a run is given, whether it starts now or at its hour: an agent or assistant, its input, how it
    goes.

    `stream_mode` is what its stream tells; without one, the run's own events. Streams can always be resumed.
    """

    agent_id: Annotated[
        str, Field(validation_alias=AliasChoices("agent_id", "assistant_id"), max_length=256)
    ] = "capibara6"
    input: RunInput | None = None
    metadata: ClientMetadata = Field(default={})
    config: Configuration = Field(default_factory=Configuration)
    context: Definition = Field(default_factory=Definition)
    stream_mode: StreamMode | Annotated[list[StreamMode], Field(max_length=16)] | None = None
    stream_subgraphs: bool = False
    stream_resumable: bool | None = None
    interrupt_before: Literal["*"] | Annotated[list[NodeName], Field(max_length=64)] | None = None
    interrupt_after: Literal["*"] | Annotated[list[NodeName], Field(max_length=64)] | None = None
    multitask_strategy: Strategy = "reject"
    durability: Literal["sync", "async", "exit"] = "sync"
    webhook: Annotated[str, Field(min_length=1, max_length=2_048)] | None = None
    checkpoint_during: JsonValue = None

    @model_validator(mode="before")
    @classmethod
    def _named_once(cls, given: Any) -> Any:
        """LangGraph's JavaScript client says the assistant twice in a batch."""
        twice = isinstance(given, dict) and "assistantId" in given
        if twice and given["assistantId"] == given.get("assistant_id"):
            return {name: value for name, value in given.items() if name != "assistantId"}
        return given


class RunCreate(RunChoices):
    """A run to start: new input, the answer (`command`) to the interrupt that its thread waits with, or
    neither, where it was stopped and goes on."""

    thread_id: ThreadId | None = None
    messages: Annotated[list[InputMessage], Field(max_length=1_000)] | None = None
    command: RunCommand | None = None
    on_disconnect: Literal["cancel", "continue"] = "cancel"
    on_completion: Literal["delete", "keep"] | None = None
    if_not_exists: Literal["create", "reject"] = "reject"
    after_seconds: float | None = Field(default=None, ge=0, le=MOST_DELAY_S)
    checkpoint: Checkpoint | None = None
    checkpoint_id: CheckpointId | None = None
    feedback_keys: JsonValue = None
    langsmith_tracer: JsonValue = None
    strict_resume: JsonValue = None

    @property
    def modes(self) -> tuple[StreamMode, ...]:
        """The stream modes asked for."""
        asked = self.stream_mode
        return (asked,) if isinstance(asked, str) else tuple(asked or ())

    @property
    def said(self) -> list[InputMessage]:
        """All messages of the request."""
        return [*(self.messages or []), *(self.input.said if self.input else [])]

    @property
    def goes_on(self) -> bool:
        """Whether there is no input: the run goes on where its thread was stopped."""
        return self.input is None and self.messages is None and self.command is None

    @property
    def ignored(self) -> list[str]:
        """What the request holds that nobody reads here, for the header `x-capibara6-ignored`."""
        around = [f"input.{name}" for name in (self.input.model_extra if self.input else None) or {}]
        return [*around, *left_out(self.said), *self.config.ignored]

    def check(self, nodes: Collection[str]) -> None:
        """Raises `NotSupported` for an option without effect, `BadRequest` for two things at once and for a
        node that the graph (of these `nodes`) has not."""
        for name, why in WITHOUT_EFFECT.items():
            if getattr(self, name) is not None:
                raise NotSupported(f"{name} is not supported: {why}", param=name, source="api")
        if self.command is not None and (self.input is not None or self.messages is not None):
            raise BadRequest("a run takes an input or a command", param="input", source="api")
        for param in ("interrupt_before", "interrupt_after"):
            _check_nodes(getattr(self, param), nodes, param)
        if self.command is not None:
            refuse_unwritable(self.command.update)
            _check_nodes(self.command.nodes, nodes, "command.goto")

    def order(self, agent: Resolved, limits: Limits) -> RunRequest:
        """What the run's row keeps of the request. Raises `BadRequest`, `EmptyQuestion`, `TooLarge`."""
        chosen = self.config.definition.over(self.context).over(agent.definition)
        said = [
            agent.definition.instructions,
            self._own_instructions(chosen, agent),
            instructions_in(self.said),
        ]
        request: RunRequest = {"agent": agent.graph_id, "options": self._options(agent)}
        request["wishes"] = stored_wishes(chosen.wishes())
        request["instructions"] = "\n".join(part for part in said if part)
        if self.command is not None:
            request["command"] = self.command.resume
        elif not self.goes_on:
            request["messages"] = question_last(self.said, limits)
        if self.after_seconds:
            request["after_s"] = self.after_seconds
        if self.webhook:
            request["webhook"] = self.webhook
        return request

    @staticmethod
    def _own_instructions(chosen: Definition, agent: Resolved) -> str | None:
        own = chosen.instructions
        return None if own == agent.definition.instructions else own

    def _options(self, agent: Resolved) -> JsonObject:
        configured = Configuration.model_validate(agent.config)
        configurable = self.config.configurable.get("checkpoint_id") or ""
        named = self.checkpoint.checkpoint_id if self.checkpoint else None
        options = GraphOptions(
            modes=self.modes,
            interrupt_before=_nodes(self.interrupt_before),
            interrupt_after=_nodes(self.interrupt_after),
            checkpoint_id=named or self.checkpoint_id or str(configurable) or None,
            resumes=self.goes_on,
            update=self.command.update if self.command else None,
            goto=self.command.nodes if self.command else (),
            durability=self.durability,
            recursion_limit=self.config.recursion_limit or configured.recursion_limit,
            tags=(*configured.tags, *self.config.tags),
            metadata={**configured.metadata, **self.config.metadata},
        )
        return {name: value for name, value in asdict(options).items() if value not in (None, (), {}, False)}


def _nodes(named: list[str] | Literal["*"] | None) -> Any:
    return named if named == "*" else tuple(named or ())


def _check_nodes(named: Collection[str] | None, nodes: Collection[str], param: str) -> None:
    other = [] if named in (None, "*") else sorted(set(named or ()) - set(nodes))
    if other:
        known = ", ".join(nodes)
        raise BadRequest(f"there is no node {other[0]!r}; there are: {known}", param=param, source="api")
