"""Nodes of the chat graph: state in, update out. Where they lead is `graph`'s business."""

from dataclasses import asdict
from functools import partial

from langgraph.runtime import Runtime

from agents.answerability.decision import decline, judge
from agents.answering.display import stream_text
from agents.answering.follow_up import standing_alone
from agents.answering.model import ToolCall, can_call_tools
from agents.answering.retrieval import checked, search_documents
from agents.answering.steps import announce, timed
from agents.answering.streaming import AnswerRequest, ShownReply, stream_fitting
from agents.chat import prompts
from agents.chat.housekeeping import recognise, reply
from agents.chat.state import State
from agents.context import Context
from agents.conversation.budget import CHARS_PER_TOKEN, chars_per_token, count_tokens, newest_fitting
from agents.conversation.state import Message, Update, earlier_messages, question_of, sources_of
from agents.conversation.user_memory import asks_to_recall, recall_query, to_remember
from agents.events import Progress, Token
from agents.tooling.calls import ToolResult, available_tools, call_tool, taint_of
from tools.errors import UpstreamFailed
from tools.passages import Passage, render
from tools.schema import Citation, Grounding, JsonObject, SearchResponse
from tools.text.language import detect

DEFAULT_TOOLS = ("search_knowledge",)


async def understand(state: State, runtime: Runtime[Context]) -> Update:
    """The question's language, what kind of message it is, and the question that stands for it alone."""
    question, earlier = question_of(state), earlier_messages(state)
    language = runtime.context.config.language or detect(question, default="es")
    if recognise(question, state["instructions"], earlier):
        return {"intent": "housekeeping", "language": language, "query": ""}
    if prompts.is_talk(question):
        return {"intent": "talk", "language": language, "query": ""}
    if to_remember(question):
        return {"intent": "remember", "language": language, "query": ""}
    if asks_to_recall(question):
        return {"intent": "recall", "language": language, "query": recall_query(question)}
    alone = await standing_alone(question, earlier, runtime)
    asked = {"language": alone.language or language, "query": alone.query, "question": alone.question}
    return {"intent": "question", **asked}


async def housekeep(state: State, runtime: Runtime[Context]) -> Update:
    """What a chat page asked of the conversation; it is no turn of it."""
    task = recognise(question_of(state), state["instructions"], earlier_messages(state))
    assert task is not None, "understand sends only such messages here"
    text = reply(task)
    runtime.stream_writer(Token(text=text))
    return {"answer": text, "model": "rules"}


@timed("retrieve")
async def retrieve(state: State, runtime: Runtime[Context]) -> Update:
    """Passages for the query; numbered from 1 as the answer will cite them."""
    context = runtime.context
    found = await search_documents(state["query"], context, top_k=context.chat.top_k)
    if found is None:
        return {"notes": ["no_documents"], "touched": ["search_knowledge"]}
    sources = announce(found, state["query"], [], runtime)
    judged = judge(state["query"], found.results, language=state["language"], embedder=found.embedder)
    judged = asdict(await checked(judged, state["query"], found.results, state["language"], context))
    runtime.stream_writer(Progress(stage="answerable", detail=judged))
    return {
        "sources": sources,
        "degraded": found.degraded,
        "touched": ["search_knowledge"],
        "answerable": judged,
    }


@timed("answer")
async def answer(state: State, runtime: Runtime[Context]) -> Update:
    """The model's answer, token by token, or the tools it wants to call first."""
    context = runtime.context
    if "no_documents" in state["notes"]:
        text = prompts.NO_DOCUMENTS[state["language"]].format(collection=", ".join(context.collections))
        return {"answer": stream_text(text, [], runtime), "model": "rules", "calls": []}
    grants = context.granted(DEFAULT_TOOLS)
    able = _can_use_tools(state, context)
    tools = await available_tools(context, grants) if able else {}
    offered = [tool.schema for name, tool in tools.items() if name in grants]
    declined = decline(state["answerable"], state["language"])
    if declined and not offered:
        return {"answer": stream_text(declined, [], runtime), "model": "rules", "calls": []}
    if state["step"] == 0:
        path = {"path": "tools" if offered else "fixed", "tools": sorted(grants) if offered else []}
        runtime.stream_writer(Progress(stage="path", detail=path))
    build = partial(_request, state, context, await _recent(state, context), offered)
    said = await stream_fitting(build, len(state["sources"]), runtime)
    usage = {key: state["usage"].get(key, 0) + value for key, value in said.usage.items()}
    if said.calls and offered:
        wanted: Message = {"role": "assistant", "content": said.text or None}
        wanted["tool_calls"] = [call.wire() for call in said.calls]
        return {
            "scratch": [*state["scratch"], wanted],
            "calls": [vars(call) for call in said.calls],
            "step": state["step"] + 1,
            "usage": usage,
        }
    if not said.text.strip():
        raise UpstreamFailed(f"{said.model} gave an empty answer", source="pool", code="empty_answer")
    asked = build(len(state["sources"]), True).prompt
    return {
        "calls": [],
        "usage": usage,
        "ratio": chars_per_token(asked, said.usage.get("prompt_tokens", 0)),
        **_closing(state, said, context),
    }


@timed("act")
async def act(state: State, runtime: Runtime[Context]) -> Update:
    """Make the calls that the model asked for, one after the other, within what was granted."""
    sources, scratch, touched = list(state["sources"]), list(state["scratch"]), list(state["touched"])
    grants = runtime.context.granted(DEFAULT_TOOLS)
    tools = await available_tools(runtime.context, grants)
    for call in (ToolCall(**fields) for fields in state["calls"]):
        taint = taint_of(touched, tools)
        result = await call_tool(call, step=state["step"], grants=grants, taint=taint, runtime=runtime)
        if result.ok:
            touched.append(call.tool)
        if result.ok and call.tool == "search_knowledge":
            scratch.append(_passages(result, sources, runtime))
        else:
            scratch.append(result.message)
    return {"sources": sources, "scratch": scratch, "touched": touched, "calls": []}


def _request(
    state: State, context: Context, recent: list[Message], tools: list[JsonObject], passages: int, whole: bool
) -> AnswerRequest:
    """What the model is asked, with the first so many `passages`; with the conversation where it is
    `whole`."""
    sources = sources_of(state)[:passages]
    return AnswerRequest(
        _prompt(state, recent if whole else [], sources),
        sources,
        model=state["route"]["model"],
        tools=tools,
        question=state["query"],
        language=state["language"],
        grounding=_grounding(state, context),
        window=state["route"].get("context_tokens"),
        ratio=state.get("ratio", CHARS_PER_TOKEN),
        otherwise=decline(state["answerable"], state["language"]),
    )


def _closing(state: State, reply: ShownReply, context: Context) -> Update:
    """What a turn keeps of its final reply."""
    replaced = state["route"]["stands_in_for"] is not None
    return {
        "answer": reply.text.strip(),
        "model": reply.model,
        "timings": {"model_first": reply.first_ms},
        "accepted": reply.accepted,
        "notes": [*(["loading_fallback"] if replaced else []), *reply.notes],
        "finish": reply.finish,
        "reasoning": reply.reasoning if context.limits.reasoning == "shown" else "",
    }


def _grounding(state: State, context: Context) -> Grounding:
    """Questions over documents are held to them; what other tools answered, or the user said, is not."""
    over_documents = state["intent"] == "question" and set(state["touched"]) <= {"search_knowledge"}
    return context.limits.grounding if over_documents else "off"


def _can_use_tools(state: State, context: Context) -> bool:
    """Whether this step may offer tools: the model can, and step and token caps are not reached."""
    limits, spent = context.limits, state["usage"].get("total_tokens", 0)
    able = can_call_tools(state["route"]["model"]) and state["intent"] != "talk"
    return able and state["step"] < limits.steps and spent < limits.tokens


def _passages(result: ToolResult, sources: list[JsonObject], runtime: Runtime[Context]) -> Message:
    """A search that the model asked for: its passages join the sources, numbered on."""
    query = str((result.call.arguments or {}).get("query", ""))
    added = announce(SearchResponse.model_validate(result.answer), query, sources, runtime)
    sources += added
    text = render(Passage(one["n"], one["title"], one["text"]) for one in added)
    return {**result.message, "content": text}


async def _recent(state: State, context: Context) -> list[Message]:
    """What fits of the conversation, its newest messages."""
    recent = [*state["messages"][state.get("summarized", 0) :], *state["asked"][:-1]]
    sizes = await count_tokens(
        recent,
        most=context.limits.context_tokens,
        model=state["route"]["model"],
        ratio=state.get("ratio", CHARS_PER_TOKEN),
        pool=context.clients.pool,
    )
    return newest_fitting(recent, sizes, context.limits.context_tokens)


def _prompt(state: State, recent: list[Message], sources: list[Citation]) -> list[Message]:
    """System, what fits of the conversation, the question with its passages, and the tools' answers."""
    language, talk = state["language"], state["intent"] == "talk"
    question = state["question"] if state["intent"] == "question" else question_of(state)
    head = [(prompts.TALK if talk else prompts.SYSTEM)[language], state["instructions"]]
    if state.get("summary"):
        head.append(f"{prompts.EARLIER[language]}:\n{state['summary']}")
    last = question if talk else prompts.asked(question, _first(state, sources), language)
    return [
        {"role": "system", "content": "\n\n".join(part for part in head if part)},
        *recent,
        {"role": "user", "content": last},
        *state["scratch"],
    ]


def _first(state: State, sources: list[Citation]) -> list[Citation]:
    """The passages of the first search; those of later ones are in the tools' answers."""
    shown = "".join(str(message.get("content")) for message in state["scratch"])
    return [source for source in sources if f'<passage n="{source.n}"' not in shown]
