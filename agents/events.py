"""The typed events of an agent run, told while it goes; the API turns them into server-sent events.

Every event carries the run's id and `at_ms`, milliseconds since the run began.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from tools.schema import Answer, Citation, JsonObject, Route


class Source(Citation):
    """A retrieved passage and how well it matched, in [0, 1]; `legs` says what each retriever thought of it
    (`Hit.legs`)."""

    score: float = 0.0
    legs: dict[str, JsonObject] = Field(default_factory=dict)


class RunEvent(BaseModel):
    """The fields of every event."""

    run_id: str = ""
    at_ms: float = 0.0


class Routed(RunEvent):
    """Which model will answer, and why."""

    event: Literal["routed"] = "routed"
    route: Route


class Retrieved(RunEvent):
    """`degraded` names the search legs that did not answer; `took_ms` is the whole search."""

    event: Literal["retrieved"] = "retrieved"
    query: str
    citations: list[Source]
    degraded: list[str] = []
    took_ms: float = 0.0


class Progress(RunEvent):
    """A stage the run has reached or the path it took, for people to read along; `detail` is JSON."""

    event: Literal["progress"] = "progress"
    stage: str
    detail: JsonObject = {}


class ToolStarted(RunEvent):
    """A tool is about to be called, or refused."""

    event: Literal["tool_started"] = "tool_started"
    call_id: str
    tool: str
    arguments: JsonObject = {}


class ToolFinished(RunEvent):
    """`ok` is False when the tool was refused or failed; `result` then says why."""

    event: Literal["tool_finished"] = "tool_finished"
    call_id: str
    tool: str
    ok: bool
    result: Any = None
    took_ms: float = 0.0


class Token(RunEvent):
    """A piece of the answer, safe to show."""

    event: Literal["token"] = "token"
    text: str


class Reasoning(RunEvent):
    """A piece of what the model thinks aloud, which is no part of the answer; told where the settings say
    so."""

    event: Literal["reasoning"] = "reasoning"
    text: str


class Cited(RunEvent):
    """The answer has just used a passage for the first time."""

    event: Literal["citation"] = "citation"
    citation: Citation


class Interrupted(RunEvent):
    """The run waits for a person; resume it with an answer to `request`."""

    event: Literal["interrupted"] = "interrupted"
    interrupt_id: str
    request: Any


class Done(RunEvent):
    """The whole answer; `usage` in tokens."""

    event: Literal["done"] = "done"
    answer: Answer
    usage: dict[str, int] = {}


class Failed(RunEvent):
    """The run ended without an answer; `error` is the `error` object of the envelope."""

    event: Literal["failed"] = "failed"
    error: JsonObject


AnyEvent = (
    Routed
    | Retrieved
    | Progress
    | ToolStarted
    | ToolFinished
    | Token
    | Reasoning
    | Cited
    | Interrupted
    | Done
    | Failed
)
Event = Annotated[AnyEvent, Field(discriminator="event")]
LAST = (Done, Failed, Interrupted)
"""Events after which a run says nothing more."""
