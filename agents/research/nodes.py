"""Nodes of the research graph: state in, update out. Where they lead is `graph`'s business."""

from typing import TypedDict

from langgraph.runtime import Runtime

from agents.answering.citations import cited, used
from agents.answering.model import ModelReply, can_call_tools, complete
from agents.answering.steps import timed
from agents.answering.streaming import AnswerRequest, stream_answer, stream_text
from agents.context import Context
from agents.conversation.state import Message, Update, question_of, sources_of
from agents.events import Progress, Retrieved, Source
from agents.research import prompts
from agents.research.state import State
from tools.schema import Citation, JsonObject, Language
from tools.search import search_knowledge
from tools.text.language import detect

MOST_ROUNDS = 2
_KEPT = {"title", "source", "document_id", "text", "score"}


class Task(TypedDict):
    """What one parallel branch is sent: a question, and what it needs to work on it."""

    question: str
    query: str
    language: Language
    model: str
    top_k: int
    sources: list[JsonObject]


async def understand(state: State, runtime: Runtime[Context]) -> Update:
    """The question's language, and an empty plan."""
    language = runtime.context.config.language or detect(question_of(state), default="es")
    return {
        "language": language,
        "plan": [],
        "weak": [],
        "rounds": 0,
        "found": None,
        "drafts": None,
        "spent": None,
    }


@timed("plan")
async def plan(state: State, runtime: Runtime[Context]) -> Update:
    """The questions to look up: the model's, or the parts that the question shows by itself."""
    question, language, model = question_of(state), state["language"], state["route"]["model"]
    questions, by = prompts.take_apart(question), "rules"
    spent: dict[str, int] = {}
    if can_call_tools(model):
        asked: list[Message] = [
            {"role": "system", "content": prompts.PLAN[language]},
            {"role": "user", "content": question},
        ]
        reply = await _complete(asked, model, runtime)
        spent = {"plan": _tokens(reply)}
        questions, by = prompts.read_plan(reply.text) or questions, "model"
    runtime.stream_writer(Progress(stage="plan", detail={"questions": questions, "by": by}))
    return {"plan": questions, "weak": questions, "spent": spent}


async def explore(state: Task, runtime: Runtime[Context]) -> Update:
    """Passages for one question."""
    context = runtime.context
    found = await search_knowledge(
        state["query"],
        bridge=context.clients.bridge,
        collection=context.collection,
        top_k=state["top_k"],
    )
    detail = {"question": state["question"], "found": len(found.results), "degraded": found.degraded}
    runtime.stream_writer(Progress(stage="explored", detail=detail))
    hits = [hit.model_dump(include=_KEPT) for hit in found.results]
    return {"found": {state["question"]: hits}}


async def number(state: State, runtime: Runtime[Context]) -> Update:
    """One list of passages for the whole report: the same passage has one number everywhere."""
    known = {(one["document_id"], one["text"]): one for one in state["sources"]}
    for hits in state["found"].values():
        for hit in hits:
            known.setdefault((hit["document_id"], hit["text"]), {"n": len(known) + 1, **hit})
    sources = [Source.model_validate(one) for one in known.values()]
    runtime.stream_writer(Retrieved(query=question_of(state), citations=sources))
    return {"sources": [source.model_dump() for source in sources]}


async def write(state: Task, runtime: Runtime[Context]) -> Update:
    """A draft of the answer to one question, from its own passages."""
    sources = [Citation.model_validate(source) for source in state["sources"]]
    reply = await _complete(
        prompts.to_write(state["question"], sources, state["language"]), state["model"], runtime
    )
    runtime.stream_writer(Progress(stage="drafted", detail={"question": state["question"]}))
    return {"drafts": {state["question"]: reply.text.strip()}, "spent": {state["question"]: _tokens(reply)}}


async def critique(state: State, runtime: Runtime[Context]) -> Update:
    """Which drafts stand on no passage; those questions are looked into once more, more widely."""
    weak = [question for question in state["plan"] if not used(state["drafts"].get(question, ""))]
    rounds = state["rounds"] + 1
    if rounds >= MOST_ROUNDS or sum(state["spent"].values()) >= runtime.context.limits.tokens:
        weak = []
    runtime.stream_writer(Progress(stage="critique", detail={"again": weak, "round": rounds}))
    return {"weak": weak, "rounds": rounds}


@timed("report")
async def report(state: State, runtime: Runtime[Context]) -> Update:
    """The drafts as one report: the model's words where it can, else the drafts under their questions."""
    language, sources, model = state["language"], sources_of(state), state["route"]["model"]
    drafts = [
        (question, state["drafts"][question]) for question in state["plan"] if question in state["drafts"]
    ]
    text = prompts.notes(drafts)
    spent = sum(state["spent"].values())
    if can_call_tools(model) and len(drafts) > 1 and spent < runtime.context.limits.tokens:
        asked = prompts.to_report(question_of(state), text, language)
        reply = await stream_answer(AnswerRequest(asked, sources, model=model, tools=[]), runtime)
        text, model, spent = reply.text.strip() or text, reply.model, spent + _tokens(reply)
    else:
        text = stream_text(text, sources, runtime)
    listed = cited(text, sources)
    if listed:
        text += stream_text(prompts.sources_list(listed, language), sources, runtime)
    return {"answer": text, "model": model, "usage": {"total_tokens": spent}}


def branches(state: State, *, top_k: int) -> list[Task]:
    """What each weak question is sent to do; a second look is wider and keeps the whole question in view."""
    again = state["rounds"] > 0
    whole = question_of(state)
    return [
        Task(
            question=question,
            query=f"{question} {whole}" if again and question != whole else question,
            language=state["language"],
            model=state["route"]["model"],
            top_k=top_k * 2 if again else top_k,
            sources=_own(state, question),
        )
        for question in state["weak"]
    ]


def _own(state: State, question: str) -> list[JsonObject]:
    wanted = {(hit["document_id"], hit["text"]) for hit in state["found"].get(question, [])}
    return [source for source in state["sources"] if (source["document_id"], source["text"]) in wanted]


async def _complete(messages: list[Message], model: str, runtime: Runtime[Context]) -> ModelReply:
    return await complete(
        runtime.context.clients.pool, messages, model=model, **runtime.context.config.options
    )


def _tokens(reply: ModelReply) -> int:
    return reply.usage.get("total_tokens", 0)
