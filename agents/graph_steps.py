"""Drives a compiled graph and streams what it says, up to a deadline. It knows neither events nor answers."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Literal, TypeAlias, cast

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphRecursionError, InvalidUpdateError
from langgraph.graph.state import CompiledStateGraph

from agents.context import Context
from agents.graph_options import GraphOptions, Nodes
from agents.stream_parts import FROM_GRAPH
from tools.errors import BadRequest, UpstreamSilent

Graph: TypeAlias = CompiledStateGraph[Any, Context, Any, Any]
Step: TypeAlias = tuple[str, Any]
"""A stream mode of LangGraph's, and what came in it."""


async def steps(
    graph: Graph,
    given: Any,
    *,
    config: RunnableConfig,
    context: Context,
    options: GraphOptions,
    durability: Literal["sync", "async", "exit"] | None,
) -> AsyncGenerator[Step, None]:
    """What the graph streams from its input `given` on: `custom`, `values`, and the modes of `options`.

    Raises `BadRequest` for a recursion limit that was reached and an update that the graph does not take.
    """
    traced = "events" in options.modes
    stream = (graph.astream_events if traced else graph.astream)(
        given,
        config=config,
        context=context,
        stream_mode=["custom", "values", *(mode for mode in FROM_GRAPH if mode in options.modes)],
        durability=durability,
        interrupt_before=_nodes(options.interrupt_before),
        interrupt_after=_nodes(options.interrupt_after),
    )
    try:
        async with aclosing(cast("AsyncGenerator[Any]", stream)) as items:
            async for item in items:
                if not traced:
                    yield item
                    continue
                if item["event"] == "on_chain_stream" and not item["parent_ids"]:
                    yield item["data"]["chunk"]
                yield "events", item
    except GraphRecursionError as exc:
        why, param = "the run took more steps than it was allowed", "config.recursion_limit"
        raise BadRequest(why, param=param, source="api", code="recursion_limit") from exc
    except InvalidUpdateError as exc:
        raise BadRequest(str(exc), param="command", source="api", code="invalid_update") from exc


async def until(items: AsyncIterator[Step], deadline: float) -> AsyncIterator[Step]:
    """The steps that come before the deadline; then the run is over, whatever it was doing.

    `asyncio.timeout`, because 3.11's `wait_for` loses a cancellation that meets the arrival of a step.
    """
    while True:
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                step = await anext(items)
            yield step
        except StopAsyncIteration:
            return
        except TimeoutError as exc:
            raise UpstreamSilent("the run took too long", source="api", code="run_deadline") from exc


def _nodes(named: Nodes) -> list[str] | Literal["*"] | None:
    return named if isinstance(named, str) else list(named) or None
