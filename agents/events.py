"""What an agent run tells while it goes, as typed events; the API turns them into server-sent events.

Every event carries the run's id and `at_ms`, milliseconds since the run began.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from tools.schema import Answer, Citation, Route


class Source(Citation):
    """A retrieved passage and how well it matched, in [0, 1]."""

    score: float = 0.0


class Told(BaseModel):
    """What all events have in common."""

    run_id: str = ""
    at_ms: float = 0.0


class Routed(Told):
    event: Literal["routed"] = "routed"
    route: Route


class Retrieved(Told):
    """`degraded` names the search legs that did not answer; `took_ms` is the whole search."""

    event: Literal["retrieved"] = "retrieved"
    query: str
    citations: list[Source]
    degraded: list[str] = []
    took_ms: float = 0.0


class Progress(Told):
    """A stage the run has reached or the path it took, for people to read along; `detail` is JSON."""

    event: Literal["progress"] = "progress"
    stage: str
    detail: dict[str, Any] = {}


class ToolStarted(Told):
    event: Literal["tool_started"] = "tool_started"
    call_id: str
    tool: str
    arguments: dict[str, Any] = {}


class ToolFinished(Told):
    """`ok` is False when the tool was refused or failed; `result` then says why."""

    event: Literal["tool_finished"] = "tool_finished"
    call_id: str
    tool: str
    ok: bool
    result: Any = None
    took_ms: float = 0.0


class Token(Told):
    event: Literal["token"] = "token"
    text: str


class Cited(Told):
    """The answer has just used a passage for the first time."""

    event: Literal["citation"] = "citation"
    citation: Citation


class Interrupted(Told):
    """The run waits for a person; resume it with an answer to `request`."""

    event: Literal["interrupted"] = "interrupted"
    interrupt_id: str
    request: Any


class Done(Told):
    event: Literal["done"] = "done"
    answer: Answer
    usage: dict[str, int] = {}


class Failed(Told):
    """The run ended without an answer; `error` is the `error` object of the envelope."""

    event: Literal["failed"] = "failed"
    error: dict[str, Any]


Event = Annotated[
    Routed | Retrieved | Progress | ToolStarted | ToolFinished | Token | Cited | Interrupted | Done | Failed,
    Field(discriminator="event"),
]
LAST = (Done, Failed, Interrupted)
"""Events after which a run says nothing more."""
