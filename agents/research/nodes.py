"""Nodes of the research graph: state in, update out. Where they lead is `graph`'s business."""

from typing import TypedDict

from langgraph.runtime import Runtime

from agents.answerability.decision import judge
from agents.answering.display import stream_text
from agents.answering.follow_up import standing_alone
from agents.answering.model import QUOTING, ModelReply, can_call_tools, complete
from agents.answering.retrieval import checked, search_documents
from agents.answering.steps import headings_of, timed
from agents.answering.streaming import AnswerRequest, stream_answer
from agents.context import Context
from agents.conversation.state import Message, Update, earlier_messages, question_of, sources_of
from agents.events import Progress, Retrieved, Source
from agents.grounding.citations import cited, used
from agents.grounding.evidence import read_evidence
from agents.grounding.judgement import ground
from agents.research import prompts
from agents.research.comparison import read_comparison, table
from agents.research.state import State
from tools.passages import with_wish
from tools.schema import Citation, JsonObject, Language, SearchResponse
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
    translated: bool


async def understand(state: State, runtime: Runtime[Context]) -> Update:
    """The question as it stands alone, its language, and an empty plan."""
    alone = await standing_alone(question_of(state), earlier_messages(state), runtime)
    language = alone.language or runtime.context.config.language or detect(question_of(state), default="es")
    return {
        "language": language,
        "question": alone.query,
        "translated": alone.language not in (None, detect(alone.query, default="es")),
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
    question, language, model = state["question"], state["language"], state["route"]["model"]
    compared = read_comparison(question)
    questions, by = list(compared.cells.values()) if compared else prompts.take_apart(question), "rules"
    spent: dict[str, int] = {}
    if can_call_tools(model) and compared is None:
        asked: list[Message] = [
            {"role": "system", "content": prompts.PLAN[language]},
            {"role": "user", "content": question},
        ]
        reply = await _complete(asked, model, runtime)
        spent = {"plan": _tokens(reply)}
        planned = prompts.read_plan(reply.text, question)
        questions, by = (planned, "model") if planned else (questions, by)
    runtime.stream_writer(Progress(stage="plan", detail={"questions": questions, "by": by}))
    return {"plan": questions, "weak": questions, "spent": spent}


async def explore(state: Task, runtime: Runtime[Context]) -> Update:
    """Passages for one question."""
    context = runtime.context
    found = await search_documents(state["query"], context, top_k=state["top_k"]) or SearchResponse(
        results=[]
    )
    judged = judge(state["question"], found.results, language=state["language"], embedder=found.embedder)
    judged = await checked(judged, state["question"], found.results, state["language"], context)
    held = found.results if judged.verdict == "answer" else []
    hits = [{**hit.model_dump(include=_KEPT), "headings": headings_of(hit)} for hit in held]
    detail = {"question": state["question"], "found": len(hits), "degraded": found.degraded}
    runtime.stream_writer(Progress(stage="explored", detail={**detail, "support": judged.support}))
    return {"found": {state["question"]: hits}}


async def number(state: State, runtime: Runtime[Context]) -> Update:
    """One list of passages for the whole report: the same passage has one number everywhere."""
    known = {(one["document_id"], one["text"]): one for one in state["sources"]}
    for hits in state["found"].values():
        for hit in hits:
            known.setdefault((hit["document_id"], hit["text"]), {"n": len(known) + 1, **hit})
    sources = [Source.model_validate(one) for one in known.values()]
    runtime.stream_writer(Retrieved(query=state["question"], citations=sources))
    return {"sources": [source.model_dump() for source in sources]}


async def write(state: Task, runtime: Runtime[Context]) -> Update:
    """A draft of the answer to one question, from its own passages."""
    sources = [Citation.model_validate(source) for source in state["sources"]]
    question = with_wish(state["question"], state["language"]) if state["translated"] else state["question"]
    asked = prompts.to_write(question, sources, state["language"])
    reply = await _complete(asked, state["model"], runtime)
    text, grounding = reply.text.strip(), runtime.context.limits.grounding
    if reply.model != QUOTING and grounding != "off":
        text = ground(text, read_evidence(sources), grounding, state["language"], question=state["question"])
    if not used(text) and reply.model != QUOTING and grounding == "strict":
        text = (await complete(runtime.context.clients.pool, asked, model=QUOTING)).text.strip()
    runtime.stream_writer(Progress(stage="drafted", detail={"question": state["question"]}))
    return {"drafts": {state["question"]: text}, "spent": {state["question"]: _tokens(reply)}}


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
    compared = read_comparison(state["question"])
    text = table(compared, dict(drafts), sources, language) if compared else prompts.notes(drafts)
    spent, more = sum(state["spent"].values()), Update()
    able = can_call_tools(model) and compared is None and len(drafts) > 1
    if able and spent < runtime.context.limits.tokens:
        reply = await stream_answer(_report_request(state, text, runtime.context), runtime)
        text, model, spent = reply.text.strip() or text, reply.model, spent + _tokens(reply)
        more = {"accepted": reply.accepted, "notes": reply.notes, "finish": reply.finish}
    else:
        text = stream_text(text, sources, runtime)
    listed = cited(text, sources)
    if listed:
        text += stream_text(prompts.sources_list(listed, language), sources, runtime)
    return {"answer": text, "model": model, "usage": {"total_tokens": spent}, **more}


def _report_request(state: State, notes: str, context: Context) -> AnswerRequest:
    """What the report is written from; where it rests on no passage, the notes stand for it."""
    question, language = state["question"], state["language"]
    return AnswerRequest(
        prompts.to_report(question, notes, language),
        sources_of(state),
        model=state["route"]["model"],
        question=question,
        language=language,
        grounding=context.limits.grounding,
        window=state["route"].get("context_tokens"),
        otherwise=notes,
    )


def branches(state: State, *, top_k: int) -> list[Task]:
    """What each weak question is sent to do; a second look is wider and keeps the whole question in view."""
    again = state["rounds"] > 0
    whole = state["question"]
    return [
        Task(
            question=question,
            query=f"{question} {whole}" if again and question != whole else question,
            language=state["language"],
            model=state["route"]["model"],
            top_k=top_k * 2 if again else top_k,
            sources=_own(state, question),
            translated=state["translated"],
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
