"""Runs an agent's graph and streams its events. It knows no HTTP and no agent in particular.

Closing the stream, or cancelling the task that reads it, cancels the graph and the model call behind it.
"""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from uuid import uuid4

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, StateSnapshot

from agents.answering.narration import SPOKEN, UNSPOKEN, narrated
from agents.context import Context
from agents.conversation.persistence import Persistence
from agents.conversation.state import Message, new_turn
from agents.events import AnyEvent, Done, Event, Interrupted, Progress, RunEvent
from agents.graph_options import GraphOptions
from agents.graph_steps import Graph, steps, until
from agents.registry import AGENTS, Agent, find_agent
from agents.stream_parts import Part, StreamParts
from agents.tooling.handover import called
from tools.errors import Conflict, UpstreamFailed
from tools.schema import Answer, Citation, JsonObject, Route, SupportedSentence
from tools.text.language import detect

E = TypeVar("E", bound=RunEvent)


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

    `scratch` are messages after the question: calls that the caller has made for it, and what they gave.

    `owner` is what the keys of its caller's threads begin with (`conversation/ownership.py`).
    A `durable` run writes every step before the next begins and, started `again`, goes on after its last one.
    A run on a thread that is not durable is written when it ends: one that fails leaves the thread as it was.
    Messages that the thread knows by their ids are not asked again.
    """

    agent: str
    messages: list[Message] = field(default_factory=list)
    scratch: list[Message] = field(default_factory=list)
    instructions: str = ""
    thread_id: str | None = None
    owner: str = ""
    run_id: str = field(default_factory=lambda: uuid4().hex)
    durable: bool = False
    again: bool = False
    command: Any = None
    options: GraphOptions = field(default_factory=GraphOptions)

    @property
    def thread_key(self) -> str | None:
        """Under what the thread is kept."""
        return None if self.thread_id is None else self.owner + self.thread_id

    @property
    def config(self) -> RunnableConfig:
        """LangGraph's: the thread; empty without one."""
        if self.thread_key is None:
            return {}
        return self.options.config(self.thread_key, self.run_id)


async def stream(
    compiled: Mapping[str, CompiledAgent], request: AgentRequest, *, context: Context
) -> AsyncGenerator[Event, None]:
    """Events of one run, spoken where that is asked for; the last is `Done` or `Interrupted`. `compiled` are
    agents by name.

    Raises `AgentNotFound`, `UpstreamSilent` after `context.deadline_s`, and what clients raise.
    """
    async with aclosing(stream_parts(compiled, request, context=context)) as told:
        async for item in told:
            if not isinstance(item, Part):
                yield item


async def stream_parts(
    compiled: Mapping[str, CompiledAgent], request: AgentRequest, *, context: Context
) -> AsyncGenerator[Event | Part, None]:
    """Events of one run as `stream` tells them, and between them the parts of its stream modes."""
    find_agent(request.agent)
    started = time.monotonic()
    told = _run(compiled, request, context, started)
    if context.config.speak:
        asked = request.messages[-1]["content"] if request.messages else ""
        language = context.config.language or detect(asked, default="es")
        voice = context.config.voice
        told = narrated(told, context.clients.speech, language=language, voice=voice)
    async with aclosing(told):
        async for item in told:
            if not (context.config.speak and isinstance(item, AnyEvent)):
                yield item
                continue
            heard = _stamped(item, request.run_id, started)  # what was said before it has made it wait
            yield heard
            if isinstance(heard, Progress) and heard.stage in (SPOKEN, UNSPOKEN):
                for part in _parts(request).of("custom", heard):
                    yield part


async def _run(
    compiled: Mapping[str, CompiledAgent], request: AgentRequest, context: Context, started: float
) -> AsyncGenerator[Event | Part, None]:
    context = replace(context, run_id=request.run_id, thread_id=request.thread_key)
    agent = compiled[request.agent]
    graph = agent.threaded if request.thread_id else agent.stateless
    left_off = await _left_off(graph, request)
    parts = _parts(request)
    if left_off is None or left_off.tasks:
        values: JsonObject = {}
        given = None if left_off is not None else await _input(graph, request)
        async with aclosing(_steps(graph, request, given, context)) as stepping:
            async for mode, item in until(stepping, started + context.deadline_s):
                if mode == "values":
                    values = item
                told = _stamped(item, request.run_id, started) if isinstance(item, AnyEvent) else item
                if isinstance(told, AnyEvent):
                    yield told
                for part in parts.of(mode, told):
                    yield part
    else:
        values = left_off.values
    for part in parts.ending(values):
        yield part
    for ending in await _endings(graph, request, values, started):
        yield _stamped(ending, request.run_id, started)


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


def _parts(request: AgentRequest) -> StreamParts:
    told = {"run_id": request.run_id, "thread_id": request.thread_id, "graph_id": request.agent}
    told |= {"tags": list(request.options.tags), **request.options.metadata}
    return StreamParts(request.options.modes, run_id=request.run_id, metadata=told)


def _steps(
    graph: Graph, request: AgentRequest, given: Any, context: Context
) -> AsyncGenerator[tuple[str, Any], None]:
    options = request.options
    durability = options.durability if request.durable else "exit"
    return steps(
        graph,
        given,
        config=request.config,
        context=context,
        options=options,
        durability=durability if request.thread_id else None,
    )


async def _input(graph: Graph, request: AgentRequest) -> Any:
    """What the graph is started with: a command, nothing where it goes on, or a turn."""
    options = request.options
    if request.command is not None or options.update is not None or options.goto:
        return Command(resume=request.command, update=options.update, goto=options.goto)
    if options.resumes:
        return None
    return new_turn(
        await _new_messages(graph, request),
        instructions=request.instructions,
        scratch=request.scratch,
        touched=called(request.scratch),
    )


async def _new_messages(graph: Graph, request: AgentRequest) -> list[Message]:
    """The messages that the thread does not know by their ids; the last one is asked in any case."""
    earlier = request.messages[:-1]
    if request.thread_id is None or not any(message.get("id") for message in earlier):
        return request.messages
    state = await graph.aget_state(request.config)
    known = {message.get("id") for message in state.values.get("messages", [])} - {None}
    return [*(one for one in earlier if one.get("id") not in known), request.messages[-1]]


async def _endings(graph: Graph, request: AgentRequest, values: JsonObject, started: float) -> list[Event]:
    waiting = values.get("__interrupt__", ())
    if waiting:
        return [Interrupted(interrupt_id=one.id, request=one.value) for one in waiting]
    if request.options.stops:
        left = (await graph.aget_state({"configurable": {"thread_id": request.thread_key}})).next
        if left:
            return [Interrupted(interrupt_id="", request={"next": list(left)})]
    if not values.get("answer") and not values.get("handed"):
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
        tool_calls=values.get("handed", []),
        notes=values["notes"],
        reasoning=values["reasoning"],
    )


def _stamped(event: E, run_id: str, started: float) -> E:
    return event.model_copy(update={"run_id": run_id, "at_ms": round((time.monotonic() - started) * 1000, 1)})
