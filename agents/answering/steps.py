"""Graph nodes that every agent shares: route, check the citations. Also how nodes are timed and how passages
found become an event.
"""

import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec

from langgraph.runtime import Runtime

from agents.answering.json_schema import read_shape
from agents.answering.model import QUOTING
from agents.answering.routing import choose_model
from agents.context import Context
from agents.conversation.state import Message, Turn, Update, closing_messages, question_of, sources_of
from agents.events import Progress, Retrieved, Routed, Source
from agents.grounding.citations import cited, only_real, unsupported, used
from agents.grounding.evidence import Evidence, read_evidence
from agents.grounding.judgement import Judgement, entailed, judge, quoted
from agents.grounding.sentences import split_sentences
from tools.schema import Citation, Hit, JsonObject, SearchResponse, SupportedSentence

OWN_WORDS = (QUOTING, "rules")
"""Whose sentences without a citation are the platform's: they lead in, or say that there is no answer."""
MOST_SPOKEN = 10_000
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
    """Which model answers; while it is loaded another one does, where the settings say so."""
    chosen = await choose_model(state, runtime.context)
    runtime.stream_writer(Routed(route=chosen))
    return {"route": chosen.model_dump()}


@timed("check")
async def check(state: Turn, runtime: Runtime[Context]) -> Update:
    """Keep the citations that point to a passage which supports their sentence, and tell the support of
    each."""
    if read_shape(runtime.context.config.response_format) is not None:
        messages = closing_messages(state, state["answer"], run_id=runtime.context.run_id)
        return {"cited": state["cited"], "messages": messages, "previous": _stays(state)}
    sources = sources_of(state)
    weak = set[int]() if state["model"] in OWN_WORDS else unsupported(state["answer"], sources)
    kept = {source.n for source in sources} - weak
    final = only_real(state["answer"], kept).strip()
    if weak:
        runtime.stream_writer(Progress(stage="check", detail={"unsupported": sorted(weak)}))
    judged = support_of(final, read_evidence(sources, tool_texts(state["scratch"])), state)
    return {
        "answer": final,
        "cited": [citation.model_dump() for citation in cited(final, sources)],
        "sentences": [one.model_dump() for one in judged],
        "messages": closing_messages(state, final, run_id=runtime.context.run_id),
        "previous": _stays(state),
    }


def _stays(state: Turn) -> str:
    """The model that a conversation stays with, where it can; who only quotes, or stood in, is none to stay
    with."""
    model = (state["route"] or {}).get("model", QUOTING)
    stood_in = model == QUOTING or "loading_fallback" in state["notes"]
    return state.get("previous", "") if stood_in else model


def support_of(text: str, evidence: list[Evidence], state: Turn) -> list[SupportedSentence]:
    """The support of each sentence of the final answer; none where there is nothing to rest on."""
    if not evidence:
        return []
    accepted, found = set(state.get("accepted", ())), list[SupportedSentence]()
    for sentence in split_sentences(text):
        if state["model"] == QUOTING and used(sentence.text):
            judged = quoted(sentence.text, evidence)
        else:
            judged = judge(sentence.text, evidence, question=question_of(state))
        if judged.unclear and sentence.text.strip() in accepted:
            judged = entailed(judged)
        if state["model"] in OWN_WORDS and not judged.supported:
            judged = Judgement("refusal" if state["model"] == "rules" else "other", supported=True)
        found.append(
            SupportedSentence(
                start=sentence.start,
                end=sentence.end,
                kind=judged.kind,
                supported=judged.supported,
                support=judged.support,
                spans=list(judged.spans) if judged.supported else [],
            )
        )
    return found


def tool_texts(scratch: list[Message]) -> list[str]:
    """What tools answered, which an answer may rest on."""
    return [str(message["content"]) for message in scratch if message.get("role") == "tool"]


def headings_of(hit: Hit) -> list[str]:
    """What a hit stands below in its document, outermost first."""
    if hit.headings is not None:
        return hit.headings
    return [part for part in str(hit.metadata.get("heading", "")).split(" › ") if part]


def announce(
    found: SearchResponse, query: str, known: list[JsonObject], runtime: Runtime[Context]
) -> list[JsonObject]:
    """The passages found as `Citation`s in JSON, numbered after the `known` ones, told as `Retrieved`."""
    sources = [
        Source(
            n=n,
            headings=headings_of(hit),
            **hit.model_dump(include={*_KEPT, "score", "legs"} - {"n", "headings"}),
        )
        for n, hit in enumerate(found.results, len(known) + 1)
    ]
    runtime.stream_writer(
        Retrieved(query=query, citations=sources, degraded=found.degraded, took_ms=found.took_ms)
    )
    return [source.model_dump(include=_KEPT) for source in sources]
