"""Runs an agent's graph and tells its events in order. It knows no HTTP and no agent in particular.

Closing the stream, or cancelling the task that reads it, cancels the graph and the model call behind it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from langgraph.types import Command

from agents.context import Context
from agents.conversation.checkpointer import Memory
from agents.conversation.state import Message, fresh
from agents.events import Done, Event, Interrupted, Told
from agents.registry import AGENTS, Agent, find_agent
from tools.errors import Conflict, UpstreamFailed, UpstreamSilent
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


@dataclass(frozen=True)
class Order:
    """One run of an agent: the new `messages` of the conversation, or the answer to an interrupt.

    A `durable` run writes every step before the next begins and, started `again`, goes on after its last
    one. A passing turn on a thread is written when it ends: one that fails leaves the thread as it was.
    """

    agent: str
    messages: list[Message] = field(default_factory=list)
    instructions: str = ""
    thread_id: str | None = None
    run_id: str = field(default_factory=lambda: uuid4().hex)
    durable: bool = False
    again: bool = False
    command: Any = None

    @property
    def config(self) -> dict[str, Any]:
        if self.thread_id is None:
            return {}
        return {"configurable": {"thread_id": self.thread_id}, "metadata": {"run_id": self.run_id}}


async def stream(
    ready: Mapping[str, Ready], order: Order, *, context: Context
) -> AsyncGenerator[Event, None]:
    """Events of one run; the last is `Done` or `Interrupted`. Raises `tools.errors`."""
    find_agent(order.agent)
    context = replace(context, run_id=order.run_id, thread_id=order.thread_id)
    graph = ready[order.agent].lasting if order.thread_id else ready[order.agent].passing
    started, state = time.monotonic(), await _left_off(graph, order)
    if state is None or state.tasks:
        steps = graph.astream(
            _input(order, going_on=state is not None),
            config=order.config,
            context=context,
            stream_mode=["custom", "values"],
            **({"durability": "sync" if order.durable else "exit"} if order.thread_id else {}),
        )
        values: dict[str, Any] = {}
        async with aclosing(steps):
            async for mode, item in _before(steps, started + context.chat.deadline_s):
                if mode == "custom" and isinstance(item, Told):
                    yield _stamped(item, order.run_id, started)
                elif mode == "values":
                    values = item
    else:
        values = state.values
    for ending in _endings(order, values, started):
        yield _stamped(ending, order.run_id, started)


async def run(ready: Mapping[str, Ready], order: Order, *, context: Context) -> Done:
    """The end of one run, for callers that do not read along."""
    return await last(stream(ready, order, context=context))


async def last(events: AsyncGenerator[Event, None]) -> Done:
    """Read `events` to their `Done`. Raises `Conflict` when the run waits for a person instead."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Done):
                return event
    raise Conflict("the run waits for a person: resume its thread with a command", code="interrupted")


async def _left_off(graph: Any, order: Order) -> Any:
    """Where an earlier start of this very run was killed; None when it did no step: then it starts anew.

    A checkpoint that only holds the input still shows the answer of the turn before. Look at `tasks` for
    what is left to do: `next` leaves out those whose writes were saved and not yet applied.
    """
    if not order.again or order.thread_id is None:
        return None
    state = await graph.aget_state(order.config)
    about = state.metadata or {}
    begun = about.get("run_id") == order.run_id and about.get("source") != "input"
    return state if begun else None


def _input(order: Order, *, going_on: bool) -> Any:
    if going_on:
        return None
    if order.command is not None:
        return Command(resume=order.command)
    return fresh(order.messages, instructions=order.instructions)


async def _before(steps: AsyncIterator[Any], deadline: float) -> AsyncIterator[Any]:
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


def _endings(order: Order, values: dict[str, Any], started: float) -> list[Event]:
    waiting = values.get("__interrupt__", ())
    if waiting:
        return [Interrupted(interrupt_id=one.id, request=one.value) for one in waiting]
    if not values.get("answer"):
        raise UpstreamFailed(f"{order.agent} ended without an answer", source="api", code="empty_answer")
    total = round((time.monotonic() - started) * 1000, 1)
    return [Done(answer=_answer(order, values, total), usage=values.get("usage", {}))]


def _answer(order: Order, values: dict[str, Any], total: float) -> Answer:
    return Answer(
        answer=values["answer"],
        citations=[Citation.model_validate(source) for source in values["cited"]],
        model=values["model"],
        agent=order.agent,
        route=Route.model_validate(values["route"]) if values["route"] else None,
        timings_ms={**values["timings"], "total": total},
        thread_id=order.thread_id,
        degraded=values["degraded"],
    )


def _stamped(event: Any, run_id: str, started: float) -> Any:
    return event.model_copy(update={"run_id": run_id, "at_ms": round((time.monotonic() - started) * 1000, 1)})
