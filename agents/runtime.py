"""Runs an agent's graph and tells its events in order. It knows no HTTP and no agent in particular.

Closing the stream, or cancelling the task that reads it, cancels the graph and the model call behind it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from agents.context import Context
from agents.events import Done, Event, Interrupted, Told
from agents.memory import Memory
from agents.registry import AGENTS, Agent, find_agent
from agents.turn import Message, fresh
from tools.errors import BadRequest, UpstreamFailed, UpstreamSilent
from tools.schema import Answer, Citation, Route


@dataclass(frozen=True)
class Ready:
    """An agent whose graph is compiled twice: `lasting` remembers threads, `passing` forgets the turn."""

    agent: Agent
    passing: Any
    lasting: Any


def compile_agents(memory: Memory) -> dict[str, Ready]:
    """Every agent of the registry, ready to run."""
    return {name: _compile(agent, memory) for name, agent in AGENTS.items()}


def _compile(agent: Agent, memory: Memory) -> Ready:
    graph = agent.build()
    return Ready(
        agent,
        passing=graph.compile(store=memory.facts, name=agent.name),
        lasting=graph.compile(memory.threads, store=memory.facts, name=agent.name),
    )


async def stream(
    ready: Mapping[str, Ready],
    name: str,
    messages: list[Message],
    *,
    context: Context,
    thread_id: str | None = None,
    instructions: str = "",
) -> AsyncGenerator[Event, None]:
    """Events of one turn; the last is `Done` or `Interrupted`. Raises `tools.errors`.

    With a thread the turn is remembered when it ends: a turn that fails leaves the thread as it was.
    """
    find_agent(name)
    graph = ready[name].lasting if thread_id else ready[name].passing
    config = {"configurable": {"thread_id": thread_id}} if thread_id else {}
    keep = {"durability": "exit"} if thread_id else {}
    steps = graph.astream(
        fresh(messages, instructions=instructions),
        config=config,
        context=context,
        stream_mode=["custom", "values"],
        **keep,
    )
    run_id, started, state = uuid4().hex, time.monotonic(), {}
    async with aclosing(steps):
        async for mode, item in _before(steps, started + context.chat.deadline_s):
            if mode == "custom" and isinstance(item, Told):
                yield _stamped(item, run_id, started)
            elif mode == "values":
                state = item
    for ending in _endings(name, state, thread_id, started):
        yield _stamped(ending, run_id, started)


async def run(
    ready: Mapping[str, Ready], name: str, messages: list[Message], *, context: Context, **options: Any
) -> Done:
    """The end of one turn, for callers that do not read along."""
    async with aclosing(stream(ready, name, messages, context=context, **options)) as events:
        async for event in events:
            if isinstance(event, Done):
                return event
    raise BadRequest("the run waits for a person; stream it or use a thread", code="interrupted")


async def _before(steps: AsyncIterator[Any], deadline: float) -> AsyncIterator[Any]:
    """The steps that come before the deadline; then the run is over, whatever it was doing."""
    while True:
        try:
            yield await asyncio.wait_for(anext(steps), deadline - time.monotonic())
        except StopAsyncIteration:
            return
        except TimeoutError as exc:
            raise UpstreamSilent("the run took too long", source="api", code="run_deadline") from exc


def _endings(name: str, state: dict[str, Any], thread_id: str | None, started: float) -> list[Event]:
    waiting = state.get("__interrupt__", ())
    if waiting:
        return [Interrupted(interrupt_id=one.id, request=one.value) for one in waiting]
    if not state.get("answer"):
        raise UpstreamFailed(f"{name} ended without an answer", source="api", code="empty_answer")
    total = round((time.monotonic() - started) * 1000, 1)
    return [Done(answer=_answer(name, state, thread_id, total), usage=state.get("usage", {}))]


def _answer(name: str, state: dict[str, Any], thread_id: str | None, total: float) -> Answer:
    return Answer(
        answer=state["answer"],
        citations=[Citation.model_validate(source) for source in state["cited"]],
        model=state["model"],
        agent=name,
        route=Route.model_validate(state["route"]) if state["route"] else None,
        timings_ms={**state["timings"], "total": total},
        thread_id=thread_id,
        degraded=state["degraded"],
    )


def _stamped(event: Any, run_id: str, started: float) -> Any:
    return event.model_copy(update={"run_id": run_id, "at_ms": round((time.monotonic() - started) * 1000, 1)})
