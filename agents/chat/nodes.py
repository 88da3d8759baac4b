"""The steps of the chat graph: state in, update out. Where they lead is `graph`'s business."""

from typing import Any

from langgraph.runtime import Runtime

from agents.chat import prompts
from agents.chat.state import State
from agents.citations import cited, only_real, used
from agents.clock import clocked
from agents.context import Context
from agents.events import Cited, Progress, Retrieved, Routed, Source, Token
from agents.turn import Message, Update, before, closing, question_of, text_of
from tools.errors import UpstreamFailed
from tools.language import detect, terms
from tools.schema import Citation, Route
from tools.search import search_knowledge
from tools.speak import speak as read_aloud


async def understand(state: State, runtime: Runtime[Context]) -> Update:
    """The question's language, whether it is small talk, and the query that stands for it alone."""
    question = question_of(state)
    language = runtime.context.wishes.language or detect(question)
    if prompts.is_talk(question):
        return {"intent": "talk", "language": language, "query": ""}
    return {"intent": "question", "language": language, "query": _alone(question, before(state))}


@clocked("route")
async def route(state: State, runtime: Runtime[Context]) -> Update:
    """Ask the pool which model should answer, unless the caller named one."""
    context = runtime.context
    chosen = Route(wanted=context.model, model=context.model, confidence=1.0, reasons=["asked for by name"])
    if context.model == "auto":
        chosen = await context.clients.pool.route(state["asked"][-1:])
    runtime.stream_writer(Routed(route=chosen))
    return {"route": chosen.model_dump()}


@clocked("retrieve")
async def retrieve(state: State, runtime: Runtime[Context]) -> Update:
    """Passages for the query; numbered from 1 as the answer will cite them."""
    context = runtime.context
    found = await search_knowledge(
        state["query"],
        bridge=context.clients.bridge,
        collection=context.collection,
        top_k=context.chat.top_k,
    )
    sources = [Source(n=n, **hit.model_dump(include=_SHOWN)) for n, hit in enumerate(found.results, 1)]
    runtime.stream_writer(
        Retrieved(query=state["query"], citations=sources, degraded=found.degraded, took_ms=found.took_ms)
    )
    kept = [source.model_dump(include=_KEPT) for source in sources]
    return {"sources": kept, "degraded": found.degraded}


@clocked("answer")
async def answer(state: State, runtime: Runtime[Context]) -> Update:
    """The model's answer, token by token; passages are announced as they are first cited."""
    context, sources = runtime.context, _sources(state)
    known, announced = {source.n: source for source in sources}, set[int]()
    text, model, usage = "", state["route"]["model"], {}
    options = {"stream_options": {"include_usage": True}, **context.wishes.options}
    async for chunk in context.clients.pool.chat(_prompt(state), model=model, **options):
        model, usage = chunk.get("model") or model, chunk.get("usage") or usage
        piece = "".join(choice["delta"].get("content") or "" for choice in chunk.get("choices", []))
        if not piece:
            continue
        text += piece
        runtime.stream_writer(Token(text=piece))
        for n in used(text):
            if n in known and n not in announced:
                announced.add(n)
                runtime.stream_writer(Cited(citation=known[n]))
    final = only_real(text, known).strip()
    if not final:
        raise UpstreamFailed(f"{model} gave an empty answer", source="pool", code="empty_answer")
    kept = [citation.model_dump() for citation in cited(final, sources)]
    return {
        "answer": final,
        "cited": kept,
        "model": model,
        "usage": _counts(usage),
        "messages": closing(state, final),
    }


@clocked("speak")
async def speak(state: State, runtime: Runtime[Context]) -> Update:
    """The answer as speech; the recording travels in an event and is not remembered."""
    speech = await read_aloud(
        state["answer"], speech=runtime.context.clients.speech, language=state["language"]
    )
    runtime.stream_writer(Progress(stage="spoken", detail=speech.model_dump()))
    return {}


_SHOWN = {"title", "source", "document_id", "text", "score"}
_KEPT = set(Citation.model_fields)


def _sources(state: State) -> list[Citation]:
    return [Citation.model_validate(source) for source in state["sources"]]


def _prompt(state: State) -> list[Message]:
    language, question = state["language"], question_of(state)
    talk = state["intent"] == "talk"
    system = (prompts.TALK if talk else prompts.SYSTEM)[language]
    instructions = state.get("instructions")
    last = question if talk else prompts.asked(question, _sources(state), language)
    return [
        {"role": "system", "content": f"{system}\n\n{instructions}" if instructions else system},
        *before(state),
        {"role": "user", "content": last},
    ]


def _alone(question: str, conversation: list[Message]) -> str:
    """A follow-up too short to stand alone (`¿y en inglés?`) is searched with the question before it."""
    earlier = [text_of(message) for message in conversation if message["role"] == "user"]
    if earlier and len(terms(question, detect(question))) < 3:
        return f"{earlier[-1]} {question}"
    return question


def _counts(usage: dict[str, Any]) -> dict[str, int]:
    return {key: value for key, value in usage.items() if isinstance(value, int)}
