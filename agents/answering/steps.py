"""Steps that every agent takes: route, check the citations, speak. And how passages found are announced."""

from typing import Any

from langgraph.runtime import Runtime

from agents.answering.citations import cited, only_real, unsupported
from agents.answering.clock import clocked
from agents.context import Context
from agents.conversation.state import Turn, Update, closing, sources_of
from agents.events import Progress, Retrieved, Routed, Source
from tools.schema import Citation, Route, SearchResponse
from tools.speak import speak as read_aloud

_KEPT = set(Citation.model_fields)


@clocked("route")
async def route(state: Turn, runtime: Runtime[Context]) -> Update:
    """Ask the pool which model should answer, unless the caller named one."""
    context = runtime.context
    chosen = Route(wanted=context.model, model=context.model, confidence=1.0, reasons=["asked for by name"])
    if context.model == "auto":
        chosen = await context.clients.pool.route(state["asked"][-1:])
    runtime.stream_writer(Routed(route=chosen))
    return {"route": chosen.model_dump()}


@clocked("check")
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
        "messages": closing(state, final),
    }


@clocked("speak")
async def speak(state: Turn, runtime: Runtime[Context]) -> Update:
    """The answer as speech; the recording travels in an event and is not remembered."""
    speech = await read_aloud(
        state["answer"], speech=runtime.context.clients.speech, language=state["language"]
    )
    runtime.stream_writer(Progress(stage="spoken", detail=speech.model_dump()))
    return {}


def wants_voice(_: Turn, runtime: Runtime[Context]) -> bool:
    return runtime.context.wishes.speak


def announce(
    found: SearchResponse, query: str, known: list[dict[str, Any]], runtime: Runtime[Context]
) -> list[dict[str, Any]]:
    """The passages found, numbered after those that are known, told as an event."""
    sources = [
        Source(n=n, **hit.model_dump(include={*_KEPT, "score"} - {"n"}))
        for n, hit in enumerate(found.results, len(known) + 1)
    ]
    runtime.stream_writer(
        Retrieved(query=query, citations=sources, degraded=found.degraded, took_ms=found.took_ms)
    )
    return [source.model_dump(include=_KEPT) for source in sources]
