"""Nodes of the data graph: state in, update out. Where they lead is `graph`'s business."""

from typing import Any

from langgraph.runtime import Runtime

from agents.answering.display import stream_text
from agents.answering.follow_up import standing_alone
from agents.answering.model import ToolCall, can_call_tools, complete
from agents.answering.steps import timed
from agents.context import Context
from agents.conversation.state import Message, Update, earlier_messages, question_of
from agents.data import prompts, rules
from agents.data.chart import chart_of
from agents.data.state import Query, State
from agents.events import Progress
from agents.tooling.calls import call_tool
from agents.tooling.policy import Taint
from tools.text.language import detect

DEFAULT_TOOLS = ("query_sql", "query_graph")
MOST_ATTEMPTS = 4
MOST_ROWS = 20
_TOOL = {"sql": "query_sql", "ngql": "query_graph"}


async def understand(state: State, runtime: Runtime[Context]) -> Update:
    """The question as it stands alone, its language, and a clean slate for the query."""
    alone = await standing_alone(question_of(state), earlier_messages(state), runtime)
    language = alone.language or runtime.context.config.language or detect(question_of(state), default="es")
    start: Update = {"schema": [], "query": None, "failure": "", "attempts": 0, "result": {}}
    return {"language": language, "question": alone.query, **start}


@timed("schema")
async def look(state: State, runtime: Runtime[Context]) -> Update:
    """The tables there are."""
    return {"schema": await runtime.context.clients.bridge.tables()}


@timed("write")
async def write(state: State, runtime: Runtime[Context]) -> Update:
    """A query: the model's, with what the store said of the ones before, or one that the rules know."""
    model, question = state["route"]["model"], state["question"]
    if not can_call_tools(model):
        query = (
            None
            if state["failure"]
            else rules.write(question, state["schema"], collection=runtime.context.collection)
        )
        _show(query, "rules", runtime)
        return {"query": query, "model": model}
    asked = prompts.to_write(question, state["schema"], runtime.context.collection)
    reply = await complete(runtime.context.clients.pool, [*asked, *state["scratch"]], model=model)
    query = prompts.read_query(reply.text)
    _show(query, "model", runtime)
    spent = state["usage"].get("total_tokens", 0) + reply.usage.get("total_tokens", 0)
    wrote: Message = {"role": "assistant", "content": reply.text}
    return {
        "query": query,
        "model": reply.model,
        "usage": {"total_tokens": spent},
        "scratch": [*state["scratch"], wrote],
    }


@timed("run")
async def run(state: State, runtime: Runtime[Context]) -> Update:
    """Run the query through the bridge, read-only and within what was granted."""
    query, attempt = state["query"], state["attempts"] + 1
    assert query is not None, "the graph comes here with a query alone"
    call = ToolCall(f"query_{attempt}", _TOOL[query["language"]], {"query": query["text"]})
    grants = runtime.context.granted(DEFAULT_TOOLS)
    result = await call_tool(call, step=attempt, grants=grants, taint=Taint(), runtime=runtime)
    if result.ok:
        return {"result": result.answer, "failure": "", "attempts": attempt, "touched": [call.tool]}
    repair: Message = {"role": "user", "content": prompts.REPAIR.format(failure=result.answer)}
    return {"failure": str(result.answer), "attempts": attempt, "scratch": [*state["scratch"], repair]}


@timed("answer")
async def present(state: State, runtime: Runtime[Context]) -> Update:
    """The query and its rows as a table, or why there is none."""
    chart = chart_of(state["result"]) if not state["failure"] else None
    if chart is not None:
        runtime.stream_writer(Progress(stage="chart", detail=chart))
    return {"answer": stream_text(_text(state), [], runtime), "cited": []}


async def may_repair(state: State, runtime: Runtime[Context]) -> bool:
    """Whether to write the query again: it failed, a model can do better, and the caps are not reached."""
    able = can_call_tools(state["route"]["model"]) and not state["failure"].startswith("refused")
    spent = state["usage"].get("total_tokens", 0) < runtime.context.limits.tokens
    return bool(state["failure"]) and able and spent and state["attempts"] < MOST_ATTEMPTS


def _show(query: Query | None, by: str, runtime: Runtime[Context]) -> None:
    runtime.stream_writer(Progress(stage="query", detail={**(query or {}), "by": by}))


def _text(state: State) -> str:
    language, query = state["language"], state["query"]
    if not query:
        tables = ", ".join(table["name"] for table in state["schema"]) or "—"
        return prompts.TEXTS["unwritten"][language].format(tables=tables)
    head = f"{prompts.TEXTS['query'][language]}:\n\n```{query['language']}\n{query['text']}\n```\n\n"
    if state["failure"]:
        return head + prompts.TEXTS["failed"][language].format(why=state["failure"])
    rows = state["result"].get("rows", [])
    if not rows:
        return head + prompts.TEXTS["empty"][language]
    ending = "more" if state["result"].get("truncated") else "rows"
    note = prompts.TEXTS[ending][language].format(shown=min(len(rows), MOST_ROWS), count=len(rows))
    return f"{head}{_table(state['result'].get('columns', []), rows[:MOST_ROWS])}\n\n{note}"


def _table(columns: list[Any], rows: list[Any]) -> str:
    names = [one["name"] if isinstance(one, dict) else str(one) for one in columns]
    cells = [list(row.values()) if isinstance(row, dict) else list(row) for row in rows]
    lines = [names, ["---"] * len(names), *cells]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return (text[:200] + "…" if len(text) > 200 else text).replace("|", "\\|")
