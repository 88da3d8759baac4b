"""The steps of the chat graph: state in, update out. Where they lead is `graph`'s business."""

from langgraph.runtime import Runtime

from agents.answering.clock import clocked
from agents.answering.model import Call, can_call_tools
from agents.answering.steps import announce
from agents.answering.streaming import Speech, speak_up
from agents.chat import prompts
from agents.chat.state import State
from agents.context import Context
from agents.conversation.budget import CHARS_PER_TOKEN, learn, measure, newest
from agents.conversation.state import Message, Update, before, question_of, sources_of, text_of
from agents.conversation.user_memory import asks_to_recall, matter, to_remember
from agents.events import Progress
from agents.tooling.calls import Made, make, tainted, toolbox
from tools.errors import UpstreamFailed
from tools.passages import Passage, render
from tools.schema import Citation, SearchResponse
from tools.search import search_knowledge
from tools.text.language import detect
from tools.text.words import terms

DEFAULT_TOOLS = ("search_knowledge",)


async def understand(state: State, runtime: Runtime[Context]) -> Update:
    """The question's language, whether it is small talk, and the query that stands for it alone."""
    question = question_of(state)
    language = runtime.context.wishes.language or detect(question)
    if prompts.is_talk(question):
        return {"intent": "talk", "language": language, "query": ""}
    if to_remember(question):
        return {"intent": "remember", "language": language, "query": ""}
    if asks_to_recall(question):
        return {"intent": "recall", "language": language, "query": matter(question)}
    return {"intent": "question", "language": language, "query": _alone(question, before(state))}


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
    sources = announce(found, state["query"], [], runtime)
    return {"sources": sources, "degraded": found.degraded, "touched": ["search_knowledge"]}


@clocked("answer")
async def answer(state: State, runtime: Runtime[Context]) -> Update:
    """The model's answer, token by token, or the tools it wants to call first."""
    context = runtime.context
    grants = context.granted(DEFAULT_TOOLS)
    able = _can_use_tools(state, context)
    tools = await toolbox(context, grants) if able else {}
    offered = [tool.schema for name, tool in tools.items() if name in grants]
    if state["step"] == 0:
        path = {"path": "tools" if offered else "fixed", "tools": sorted(grants) if offered else []}
        runtime.stream_writer(Progress(stage="path", detail=path))
    prompt = _prompt(state, await _recent(state, context))
    speech = Speech(prompt, sources_of(state), model=state["route"]["model"], tools=offered)
    said = await speak_up(speech, runtime)
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
    final = said.text.strip()
    return {
        "answer": final,
        "calls": [],
        "model": said.model,
        "usage": usage,
        "ratio": learn(prompt, said.usage.get("prompt_tokens", 0)),
        "timings": {"model_first": said.first_ms},
    }


@clocked("act")
async def act(state: State, runtime: Runtime[Context]) -> Update:
    """Make the calls that the model asked for, one after the other, within what was granted."""
    sources, scratch, touched = list(state["sources"]), list(state["scratch"]), list(state["touched"])
    grants = runtime.context.granted(DEFAULT_TOOLS)
    tools = await toolbox(runtime.context, grants)
    for call in (Call(**fields) for fields in state["calls"]):
        taint = tainted(touched, tools)
        made = await make(call, step=state["step"], grants=grants, taint=taint, runtime=runtime)
        if made.ok:
            touched.append(call.tool)
        if made.ok and call.tool == "search_knowledge":
            scratch.append(_passages(made, sources, runtime))
        else:
            scratch.append(made.message)
    return {"sources": sources, "scratch": scratch, "touched": touched, "calls": []}


def _can_use_tools(state: State, context: Context) -> bool:
    """Whether this step may offer tools: the model can, and step and token caps are not reached."""
    bounds, spent = context.bounds, state["usage"].get("total_tokens", 0)
    able = can_call_tools(state["route"]["model"]) and state["intent"] != "talk"
    return able and state["step"] < bounds.steps and spent < bounds.tokens


def _passages(made: Made, sources: list[dict], runtime: Runtime[Context]) -> Message:
    """A search that the model asked for: its passages join the sources, numbered on."""
    query = str((made.call.arguments or {}).get("query", ""))
    fresh = announce(SearchResponse.model_validate(made.answer), query, sources, runtime)
    sources += fresh
    text = render(Passage(one["n"], one["title"], one["text"]) for one in fresh)
    return {**made.message, "content": text}


async def _recent(state: State, context: Context) -> list[Message]:
    """What fits of the conversation, its newest messages."""
    recent = [*state["messages"][state.get("summarized", 0) :], *state["asked"][:-1]]
    sizes = await measure(
        recent,
        most=context.bounds.context_tokens,
        model=state["route"]["model"],
        ratio=state.get("ratio", CHARS_PER_TOKEN),
        pool=context.clients.pool,
    )
    return newest(recent, sizes, context.bounds.context_tokens)


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
    told = "".join(str(message.get("content")) for message in state["scratch"])
    return [source for source in sources_of(state) if f'<passage n="{source.n}"' not in told]


def _alone(question: str, conversation: list[Message]) -> str:
    """A follow-up too short to stand alone (`¿y en inglés?`) is searched with the question before it."""
    earlier = [text_of(message) for message in conversation if message["role"] == "user"]
    if earlier and len(terms(question, detect(question))) < 3:
        return f"{earlier[-1]} {question}"
    return question
