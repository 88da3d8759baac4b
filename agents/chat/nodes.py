"""Nodes of the chat graph: state in, update out. Where they lead is `graph`'s business."""

from langgraph.runtime import Runtime

from agents.answering.model import ToolCall, can_call_tools
from agents.answering.steps import announce, timed
from agents.answering.streaming import AnswerRequest, stream_answer
from agents.chat import prompts
from agents.chat.state import State
from agents.context import Context
from agents.conversation.budget import CHARS_PER_TOKEN, chars_per_token, count_tokens, newest_fitting
from agents.conversation.state import Message, Update, earlier_messages, question_of, sources_of, text_of
from agents.conversation.user_memory import asks_to_recall, recall_query, to_remember
from agents.events import Progress
from agents.tooling.calls import ToolResult, available_tools, call_tool, taint_of
from tools.errors import UpstreamFailed
from tools.passages import Passage, render
from tools.schema import Citation, JsonObject, SearchResponse
from tools.search import search_knowledge
from tools.text.language import detect
from tools.text.words import terms

DEFAULT_TOOLS = ("search_knowledge",)


async def understand(state: State, runtime: Runtime[Context]) -> Update:
    """The question's language, whether it is small talk, and the query that stands for it alone."""
    question = question_of(state)
    language = runtime.context.config.language or detect(question, default="es")
    if prompts.is_talk(question):
        return {"intent": "talk", "language": language, "query": ""}
    if to_remember(question):
        return {"intent": "remember", "language": language, "query": ""}
    if asks_to_recall(question):
        return {"intent": "recall", "language": language, "query": recall_query(question)}
    return {"intent": "question", "language": language, "query": _alone(question, earlier_messages(state))}


@timed("retrieve")
async def retrieve(state: State, runtime: Runtime[Context]) -> Update:
    """Passages for the query; numbered from 1 as the answer will cite them."""
    context = runtime.context
    found = await search_knowledge(
        state["query"],
        bridge=context.clients.bridge,
        collection=context.collection,
        top_k=context.chat.top_k,
    )
    sources = announce(found, state["query"], [], runtime)
    return {"sources": sources, "degraded": found.degraded, "touched": ["search_knowledge"]}


@timed("answer")
async def answer(state: State, runtime: Runtime[Context]) -> Update:
    """The model's answer, token by token, or the tools it wants to call first."""
    context = runtime.context
    grants = context.granted(DEFAULT_TOOLS)
    able = _can_use_tools(state, context)
    tools = await available_tools(context, grants) if able else {}
    offered = [tool.schema for name, tool in tools.items() if name in grants]
    if state["step"] == 0:
        path = {"path": "tools" if offered else "fixed", "tools": sorted(grants) if offered else []}
        runtime.stream_writer(Progress(stage="path", detail=path))
    prompt = _prompt(state, await _recent(state, context))
    request = AnswerRequest(prompt, sources_of(state), model=state["route"]["model"], tools=offered)
    reply = await stream_answer(request, runtime)
    usage = {key: state["usage"].get(key, 0) + value for key, value in reply.usage.items()}
    if reply.calls and offered:
        wanted: Message = {"role": "assistant", "content": reply.text or None}
        wanted["tool_calls"] = [call.wire() for call in reply.calls]
        return {
            "scratch": [*state["scratch"], wanted],
            "calls": [vars(call) for call in reply.calls],
            "step": state["step"] + 1,
            "usage": usage,
        }
    if not reply.text.strip():
        raise UpstreamFailed(f"{reply.model} gave an empty answer", source="pool", code="empty_answer")
    final = reply.text.strip()
    return {
        "answer": final,
        "calls": [],
        "model": reply.model,
        "usage": usage,
        "ratio": chars_per_token(prompt, reply.usage.get("prompt_tokens", 0)),
        "timings": {"model_first": reply.first_ms},
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


def _prompt(state: State, recent: list[Message]) -> list[Message]:
    """System, what fits of the conversation, the question with its passages, and the tools' answers."""
    language, question = state["language"], question_of(state)
    talk = state["intent"] == "talk"
    head = [(prompts.TALK if talk else prompts.SYSTEM)[language], state["instructions"]]
    if state.get("summary"):
        head.append(f"{prompts.EARLIER[language]}:\n{state['summary']}")
    last = question if talk else prompts.asked(question, _first(state), language)
    return [
        {"role": "system", "content": "\n\n".join(part for part in head if part)},
        *recent,
        {"role": "user", "content": last},
        *state["scratch"],
    ]


def _first(state: State) -> list[Citation]:
    """The passages of the first search; those of later ones are in the tools' answers."""
    shown = "".join(str(message.get("content")) for message in state["scratch"])
    return [source for source in sources_of(state) if f'<passage n="{source.n}"' not in shown]


def _alone(question: str, conversation: list[Message]) -> str:
    """A follow-up too short to stand alone (`¿y en inglés?`) is searched with the question before it."""
    earlier = [text_of(message) for message in conversation if message["role"] == "user"]
    if earlier and len(terms(question, detect(question))) < 3:
        return f"{earlier[-1]} {question}"
    return question
