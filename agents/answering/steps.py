"""Graph nodes that every agent shares: route, check the citations, speak. Also how nodes are timed and how
passages found become an event.
"""

import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec

from langgraph.runtime import Runtime

from agents.answering.citations import cited, only_real, unsupported
from agents.context import Context
from agents.conversation.state import Turn, Update, closing_messages, sources_of
from agents.events import Progress, Retrieved, Routed, Source
from tools.schema import Citation, JsonObject, Route, SearchResponse
from tools.speak import speak as read_aloud

_KEPT = set(Citation.model_fields)
Given = ParamSpec("Given")
Node = Callable[Given, Awaitable[Update]]


def timed(stage: str) -> Callable[[Node[Given]], Node[Given]]:
    """Decorates a node: `{stage: milliseconds}` joins the `timings` of its update."""

    def around(node: Node[Given]) -> Node[Given]:
        @wraps(node)
        async def run(*args: Given.args, **kwargs: Given.kwargs) -> Update:
            started = time.monotonic()
            update = await node(*args, **kwargs)
            took = round((time.monotonic() - started) * 1000, 1)
            return {**update, "timings": {**update.get("timings", {}), stage: took}}

        return run

    return around


@timed("route")
async def route(state: Turn, runtime: Runtime[Context]) -> Update:
    """Ask the pool which model should answer, unless the caller named one."""
    context = runtime.context
    chosen = Route(wanted=context.model, model=context.model, confidence=1.0, reasons=["asked for by name"])
    if context.model == "auto":
        chosen = await context.clients.pool.route(state["asked"][-1:])
    runtime.stream_writer(Routed(route=chosen))
    return {"route": chosen.model_dump()}


@timed("check")
async def check(state: Turn, runtime: Runtime[Context]) -> Update:
    """Keep the citations that point to a passage which supports their sentence."""
    sources = sources_of(state)
    weak = unsupported(state["answer"], sources)
    kept = {source.n for source in sources} - weak
    final = only_real(state["answer"], kept).strip()
    if weak:
        runtime.stream_writer(Progress(stage="check", detail={"unsupported": sorted(weak)}))
    return {
        "answer": final,
        "cited": [citation.model_dump() for citation in cited(final, sources)],
        "messages": closing_messages(state, final),
    }


@timed("speak")
async def speak(state: Turn, runtime: Runtime[Context]) -> Update:
    """The answer as speech; the recording travels in an event and is not remembered."""
    speech = await read_aloud(
        state["answer"], speech=runtime.context.clients.speech, language=state["language"]
    )
    runtime.stream_writer(Progress(stage="spoken", detail=speech.model_dump()))
    return {}


def wants_speech(_: Turn, runtime: Runtime[Context]) -> bool:
    """The edge to `speak`: whether the caller asked to hear the answer."""
    return runtime.context.config.speak


def announce(
    found: SearchResponse, query: str, known: list[JsonObject], runtime: Runtime[Context]
) -> list[JsonObject]:
    """The passages found as `Citation`s in JSON, numbered after the `known` ones, told as `Retrieved`."""
    sources = [
        Source(n=n, **hit.model_dump(include={*_KEPT, "score"} - {"n"}))
        for n, hit in enumerate(found.results, len(known) + 1)
    ]
    runtime.stream_writer(
        Retrieved(query=query, citations=sources, degraded=found.degraded, took_ms=found.took_ms)
    )
    return [source.model_dump(include=_KEPT) for source in sources]
