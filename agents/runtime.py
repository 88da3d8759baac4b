"""Runs an agent's graph and streams its events. It knows no HTTP and no agent in particular.

Closing the stream, or cancelling the task that reads it, cancels the graph and the model call behind it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar, cast
from uuid import uuid4

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, StateSnapshot

from agents.answering.narration import narrated
from agents.context import Context
from agents.conversation.persistence import Persistence
from agents.conversation.state import Message, new_turn
from agents.events import AnyEvent, Done, Event, Interrupted, RunEvent
from agents.registry import AGENTS, Agent, find_agent
from tools.errors import Conflict, UpstreamFailed, UpstreamSilent
from tools.schema import Answer, Citation, JsonObject, Route, SupportedSentence
from tools.text.language import detect

E = TypeVar("E", bound=RunEvent)
Graph: TypeAlias = CompiledStateGraph[Any, Context, Any, Any]


@dataclass(frozen=True)
class CompiledAgent:
    """An agent whose graph is compiled twice: `threaded` with a checkpointer, `stateless` without."""

    agent: Agent
    stateless: Graph
    threaded: Graph


def compile_agents(persistence: Persistence) -> dict[str, CompiledAgent]:
    """Every agent of the registry, ready to run."""
    return {name: _compile(agent, persistence) for name, agent in AGENTS.items()}


def _compile(agent: Agent, persistence: Persistence) -> CompiledAgent:
    graph = agent.build()
    return CompiledAgent(
        agent,
        stateless=graph.compile(store=persistence.store, name=agent.name),
        threaded=graph.compile(persistence.checkpointer, store=persistence.store, name=agent.name),
    )


@dataclass(frozen=True)
class AgentRequest:
    """An agent to run on new `messages` of a conversation, or on an answer to an interrupt (`command`).

    `owner` is what the keys of its caller's threads begin with (`conversation/ownership.py`).
    A `durable` run writes every step before the next begins and, started `again`, goes on after its last one.
    A run on a thread that is not durable is written when it ends: one that fails leaves the thread as it was.
    """

    agent: str
    messages: list[Message] = field(default_factory=list)
    instructions: str = ""
    thread_id: str | None = None
    owner: str = ""
    run_id: str = field(default_factory=lambda: uuid4().hex)
    durable: bool = False
    again: bool = False
    command: Any = None

    @property
    def thread_key(self) -> str | None:
        """Under what the thread is kept."""
        return None if self.thread_id is None else self.owner + self.thread_id

    @property
    def config(self) -> RunnableConfig:
        """LangGraph's: the thread; empty without one."""
        if self.thread_key is None:
            return {}
        return {"configurable": {"thread_id": self.thread_key}, "metadata": {"run_id": self.run_id}}


async def stream(
    compiled: Mapping[str, CompiledAgent], request: AgentRequest, *, context: Context
) -> AsyncGenerator[Event, None]:
    """Events of one run, spoken where that is asked for; the last is `Done` or `Interrupted`. `compiled` are
    agents by name.

    Raises `AgentNotFound`, `UpstreamSilent` after `context.deadline_s`, and what clients raise.
    """
    find_agent(request.agent)
    started = time.monotonic()
    events = _steps(compiled, request, context, started)
    if context.config.speak:
        asked = request.messages[-1]["content"] if request.messages else ""
        language = context.config.language or detect(asked, default="es")
        events = narrated(events, context.clients.speech, language=language)
    async with aclosing(events):
        async for event in events:
            yield _stamped(event, request.run_id, started)


async def _steps(
    compiled: Mapping[str, CompiledAgent], request: AgentRequest, context: Context, started: float
) -> AsyncGenerator[Event, None]:
    context = replace(context, run_id=request.run_id, thread_id=request.thread_key)
    agent = compiled[request.agent]
    graph = agent.threaded if request.thread_id else agent.stateless
    left_off = await _left_off(graph, request)
    if left_off is None or left_off.tasks:
        steps = graph.astream(
            _input(request, resumed=left_off is not None),
            config=request.config,
            context=context,
            stream_mode=["custom", "values"],
            durability=("sync" if request.durable else "exit") if request.thread_id else None,
        )
        values: JsonObject = {}
        async with aclosing(cast("AsyncGenerator[Any]", steps)) as steps:
            async for mode, item in _until(steps, started + context.deadline_s):
                if mode == "custom" and isinstance(item, AnyEvent):
                    yield item
                elif mode == "values":
                    values = item
    else:
        values = left_off.values
    for ending in _endings(request, values, started):
        yield ending


async def run(compiled: Mapping[str, CompiledAgent], request: AgentRequest, *, context: Context) -> Done:
    """The end of one run, for callers that do not read along. Raises what `stream` and `last` raise."""
    return await last(stream(compiled, request, context=context))


async def last(events: AsyncGenerator[Event, None]) -> Done:
    """Read `events` to their `Done`. Raises `Conflict` when the run waits for a person instead."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Done):
                return event
    raise Conflict("the run waits for a person: resume its thread with a command", code="interrupted")


async def _left_off(graph: Graph, request: AgentRequest) -> StateSnapshot | None:
    """Where an earlier start of this very run was killed; None when it did no step: then it starts anew.

    A checkpoint that only holds the input still shows the answer of the turn before. Look at `tasks` for
    what is left to do: `next` leaves out those whose writes were saved and not yet applied.
    """
    if not request.again or request.thread_id is None:
        return None
    state = await graph.aget_state(request.config)
    metadata = state.metadata or {}
    begun = metadata.get("run_id") == request.run_id and metadata.get("source") != "input"
    return state if begun else None


def _input(request: AgentRequest, *, resumed: bool) -> Any:
    if resumed:
        return None
    if request.command is not None:
        return Command(resume=request.command)
    return new_turn(request.messages, instructions=request.instructions)


async def _until(steps: AsyncIterator[Any], deadline: float) -> AsyncIterator[Any]:
    """The steps that come before the deadline; then the run is over, whatever it was doing.

    `asyncio.timeout`, because 3.11's `wait_for` loses a cancellation that meets the arrival of a step.
    """
    while True:
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                step = await anext(steps)
            yield step
        except StopAsyncIteration:
            return
        except TimeoutError as exc:
            raise UpstreamSilent("the run took too long", source="api", code="run_deadline") from exc


def _endings(request: AgentRequest, values: JsonObject, started: float) -> list[Event]:
    waiting = values.get("__interrupt__", ())
    if waiting:
        return [Interrupted(interrupt_id=one.id, request=one.value) for one in waiting]
    if not values.get("answer"):
        raise UpstreamFailed(f"{request.agent} ended without an answer", source="api", code="empty_answer")
    total = round((time.monotonic() - started) * 1000, 1)
    return [Done(answer=_answer(request, values, total), usage=values.get("usage", {}))]


def _answer(request: AgentRequest, values: JsonObject, total: float) -> Answer:
    return Answer(
        answer=values["answer"],
        citations=[Citation.model_validate(source) for source in values["cited"]],
        support=values.get("answerable", {}).get("support"),
        support_reason=values.get("answerable", {}).get("reason", ""),
        model=values["model"],
        agent=request.agent,
        route=Route.model_validate(values["route"]) if values["route"] else None,
        timings_ms={**values["timings"], "total": total},
        thread_id=request.thread_id,
        degraded=values["degraded"],
        sentences=[SupportedSentence.model_validate(one) for one in values["sentences"]],
        finish_reason=values["finish"],
        notes=values["notes"],
        reasoning=values["reasoning"],
    )


def _stamped(event: E, run_id: str, started: float) -> E:
    return event.model_copy(update={"run_id": run_id, "at_ms": round((time.monotonic() - started) * 1000, 1)})
