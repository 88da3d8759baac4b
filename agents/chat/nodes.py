"""Nodes of the chat graph: state in, update out. Where they lead is `graph`'s business."""

from dataclasses import asdict
from functools import partial

from langgraph.runtime import Runtime

from agents.answerability.decision import decline, judge
from agents.answering.display import stream_text
from agents.answering.follow_up import standing_alone
from agents.answering.json_schema import read_shape
from agents.answering.model import ToolCall, can_call_tools
from agents.answering.retrieval import checked, search_documents
from agents.answering.steps import announce, timed
from agents.answering.streaming import AnswerRequest, ShownReply, stream_answer, stream_fitting
from agents.answering.structured import StructuredReply, cited_sources, stream_structured
from agents.chat import prompts
from agents.chat.housekeeping import recognise, reply
from agents.chat.state import State
from agents.context import Context
from agents.conversation.budget import CHARS_PER_TOKEN, chars_per_token, count_tokens, newest_fitting
from agents.conversation.state import Message, Update, earlier_messages, question_of, sources_of
from agents.conversation.user_memory import asks_to_recall, recall_query, to_remember
from agents.events import Progress, Retrieved, Token
from agents.tooling.attachments import attached_sources, message_with
from agents.tooling.calls import ToolResult, available_tools, call_tool, taint_of
from agents.tooling.handover import Offer, handed, name_of, offer, results
from tools.errors import UpstreamFailed
from tools.passages import Passage, render
from tools.schema import Citation, Grounding, JsonObject, SearchResponse
from tools.text.language import detect

DEFAULT_TOOLS = ("search_knowledge",)


async def understand(state: State, runtime: Runtime[Context]) -> Update:
    """The question's language, what kind of message it is, and the question that stands for it alone."""
    question, earlier = question_of(state), earlier_messages(state)
    language = runtime.context.config.language or detect(question, default="es")
    other = None if _for_a_program(state, runtime.context) else _other_than_question(state)
    if other is not None:
        query = recall_query(question) if other == "recall" else ""
        return {"intent": other, "language": language, "query": query}
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
    context, touched = runtime.context, [*state["touched"], "search_knowledge"]
    found = await search_documents(state["query"], context, top_k=context.chat.top_k)
    if found is None:
        return {"notes": ["no_documents"], "touched": touched}
    sources = announce(found, state["query"], [], runtime)
    judged = judge(state["query"], found.results, language=state["language"], embedder=found.embedder)
    judged = asdict(await checked(judged, state["query"], found.results, state["language"], context))
    runtime.stream_writer(Progress(stage="answerable", detail=judged))
    return {
        "sources": sources,
        "degraded": found.degraded,
        "touched": touched,
        "answerable": judged,
    }


@timed("answer")
async def answer(state: State, runtime: Runtime[Context]) -> Update:
    """The model's answer, token by token, or the tools it wants to call first."""
    context = runtime.context
    if "no_documents" in state["notes"] and not _for_a_program(state, context):
        text = prompts.NO_DOCUMENTS[state["language"]].format(collection=", ".join(context.collections))
        return {"answer": stream_text(text, [], runtime), "model": "rules", "calls": []}
    shape = read_shape(context.config.response_format)
    grants = context.granted(DEFAULT_TOOLS)
    offered = offer(await _own_tools(state, context) if shape is None else [], context.config.calling)
    declined = decline(state["answerable"], state["language"])
    if declined and not offered.tools and shape is None:
        return {"answer": stream_text(declined, [], runtime), "model": "rules", "calls": []}
    if state["step"] == 0:
        path = {
            "path": "tools" if offered.tools else "fixed",
            "tools": sorted(grants) if offered.tools else [],
        }
        runtime.stream_writer(Progress(stage="path", detail=path))
    build = partial(_request, state, context, await _recent(state, context), offered)
    ask = stream_answer if shape is None else partial(stream_structured, shape)
    said = await stream_fitting(build, len(state["sources"]), runtime, answer=ask)
    usage = {key: state["usage"].get(key, 0) + value for key, value in said.usage.items()}
    if said.calls and offered.tools:
        return {"usage": usage, **_calling(state, said, offered)}
    if not said.text.strip():
        raise UpstreamFailed(f"{said.model} gave an empty answer", source="pool", code="empty_answer")
    asked = build(len(state["sources"]), True).prompt
    return {
        "calls": [],
        "usage": usage,
        "ratio": chars_per_token(asked, said.usage.get("prompt_tokens", 0)),
        "cited": cited_sources(said, sources_of(state)) if isinstance(said, StructuredReply) else [],
        **_closing(state, said, context),
    }


def _calling(state: State, said: ShownReply, offered: Offer) -> Update:
    """The calls to make next, or those that end the turn because they are the caller's to make."""
    if calls := handed(said.calls, offered):
        shown = {"answer": said.text.strip(), "model": said.model, "timings": {"model_first": said.first_ms}}
        return {**shown, "handed": calls, "calls": [], "finish": "tool_calls"}
    wanted: Message = {"role": "assistant", "content": said.text or None}
    wanted["tool_calls"] = [call.wire() for call in said.calls]
    return {
        "scratch": [*state["scratch"], wanted],
        "calls": [vars(call) for call in said.calls],
        "step": state["step"] + 1,
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
        elif added := attached_sources(result, len(sources)):
            runtime.stream_writer(Retrieved(query=call.tool, citations=added))
            sources += [one.model_dump(exclude={"score"}) for one in added]
            scratch.append(message_with(result, added))
        else:
            scratch.append(result.message)
    return {"sources": sources, "scratch": scratch, "touched": touched, "calls": []}


def _request(
    state: State, context: Context, recent: list[Message], offered: Offer, passages: int, whole: bool
) -> AnswerRequest:
    """What the model is asked, with the first so many `passages`; with the conversation where it is
    `whole`."""
    sources = sources_of(state)[:passages]
    return AnswerRequest(
        _prompt(state, recent if whole else [], sources),
        sources,
        model=state["route"]["model"],
        tools=offered.tools,
        calling=offered.options,
        required=bool(offered.names),
        known=results(state["scratch"], frozenset(map(name_of, context.config.calling.get("tools", ())))),
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


def _for_a_program(state: State, context: Context) -> bool:
    """Whether tools or a schema of the caller's are in play: then every message goes to the model."""
    config = context.config
    return bool(state["scratch"] or config.hands_over or read_shape(config.response_format))


def _other_than_question(state: State) -> str | None:
    """What a message is that asks nothing of the documents; None for a question."""
    question = question_of(state)
    if recognise(question, state["instructions"], earlier_messages(state)):
        return "housekeeping"
    if prompts.is_talk(question):
        return "talk"
    if to_remember(question):
        return "remember"
    return "recall" if asks_to_recall(question) else None


async def _own_tools(state: State, context: Context) -> list[JsonObject]:
    """The schemas of the tools of ours that this step may use."""
    if not _can_use_tools(state, context):
        return []
    grants = context.granted(DEFAULT_TOOLS)
    return [tool.schema for name, tool in (await available_tools(context, grants)).items() if name in grants]


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
