"""Chat nodes for memory: note a fact, recall facts, summarise the older messages."""

from langgraph.runtime import Runtime

from agents.answering.display import stream_text
from agents.answering.model import can_call_tools, complete
from agents.answering.steps import announce, timed
from agents.chat import prompts
from agents.chat.state import State
from agents.context import Context
from agents.conversation.budget import CHARS_PER_TOKEN, count_tokens, plain_summary
from agents.conversation.state import Message, Update, question_of, text_of
from agents.conversation.user_memory import UserMemory, closest, to_remember
from agents.events import Progress
from tools.access.identity import current
from tools.schema import Hit, SearchResponse

KEPT_TURNS = 4


@timed("note")
async def note(state: State, runtime: Runtime[Context]) -> Update:
    """Keep what the user, in so many words, asked to be remembered."""
    facts, fact = _facts(runtime), to_remember(question_of(state))
    assert fact is not None, "understand sends only such messages here"
    if facts is not None:
        await facts.remember(fact)
    reply = (prompts.NOWHERE if facts is None else prompts.NOTED)[state["language"]]
    return {"answer": stream_text(reply, [], runtime), "model": "rules"}


@timed("retrieve")
async def recall(state: State, runtime: Runtime[Context]) -> Update:
    """What the user said about the matter: remembered facts, and this conversation, as passages."""
    context, facts = runtime.context, _facts(runtime)
    most = context.chat.top_k
    recalled = await facts.recall(state["query"], most=most) if facts is not None else []
    earlier = [text_of(message) for message in state["messages"] if message["role"] == "user"]
    texts = list(dict.fromkeys([*recalled, *closest(state["query"], earlier[::-1], most=most)]))[:most]
    title = prompts.YOU_SAID[state["language"]]
    hits = [
        Hit(id=str(n), document_id=f"said-{n}", title=title, text=text, score=1.0)
        for n, text in enumerate(texts, 1)
    ]
    return {"sources": announce(SearchResponse(results=hits), state["query"], [], runtime)}


@timed("condense")
async def condense(state: State, runtime: Runtime[Context]) -> Update:
    """When the conversation outgrows its budget, its older messages become a summary."""
    done, context, most = state.get("summarized", 0), runtime.context, runtime.context.limits.context_tokens
    recent, ratio, pool = state["messages"][done:], state.get("ratio", CHARS_PER_TOKEN), context.clients.pool
    if sum(await count_tokens(recent, most=most, model=state["model"], ratio=ratio, pool=pool)) <= most:
        return {}
    old = recent[: -2 * KEPT_TURNS] or recent[:-2]
    if not old:
        return {}
    summary, model = state.get("summary", ""), state["model"]
    if can_call_tools(model) and model != "rules":
        talk = "\n".join(f"{message['role']}: {text_of(message)}" for message in old)
        asked: list[Message] = [
            {"role": "system", "content": prompts.SUMMARY[state["language"]]},
            {"role": "user", "content": f"{summary}\n{talk}".strip()},
        ]
        summary = (await complete(pool, asked, model=model)).text.strip() or summary
    else:
        summary = plain_summary(summary, old)
    runtime.stream_writer(Progress(stage="condensed", detail={"messages": done + len(old)}))
    return {"summary": summary, "summarized": done + len(old)}


def _facts(runtime: Runtime[Context]) -> UserMemory | None:
    """The facts of the person who asks; None when nobody does."""
    person = current()
    if person is None or runtime.store is None:
        return None
    return UserMemory(runtime.store, person, runtime.context.config.user)
