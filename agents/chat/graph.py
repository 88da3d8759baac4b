"""The chat agent as a flowchart: understand → (route ∥ retrieve) → answer ⇄ act → check → condense."""

from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from agents.answering import steps
from agents.chat import memory, nodes
from agents.chat.state import State
from agents.context import Context


def build_graph() -> StateGraph[State, Context, Any, Any]:
    """The graph, not compiled: whoever runs it chooses the checkpointer."""
    graph = StateGraph(State, context_schema=Context)
    graph.add_node("understand", nodes.understand)
    graph.add_node("route", steps.route)
    graph.add_node("retrieve", nodes.retrieve)
    graph.add_node("recall", memory.recall)
    graph.add_node("note", memory.note)
    graph.add_node("housekeep", nodes.housekeep)
    graph.add_node("condense", memory.condense)
    graph.add_node("answer", nodes.answer, defer=True)
    graph.add_node("act", nodes.act)
    graph.add_node("check", steps.check)
    graph.add_edge(START, "understand")
    graph.add_conditional_edges("understand", _needs, ["route", "retrieve", "recall", "note", "housekeep"])
    graph.add_edge("route", "answer")
    graph.add_edge("retrieve", "answer")
    graph.add_edge("recall", "answer")
    graph.add_edge("note", "check")
    graph.add_edge("housekeep", END)
    graph.add_conditional_edges("answer", _after_answer, ["act", "check", END])
    graph.add_edge("act", "answer")
    graph.add_conditional_edges("check", _keeping, ["condense", END])
    graph.add_edge("condense", END)
    return graph


async def _needs(state: State) -> list[str]:
    """What a message needs before it can be answered; two things are looked for at the same time."""
    match state["intent"]:
        case "talk":
            return ["route"]
        case "housekeeping":
            return ["housekeep"]
        case "remember":
            return ["note"]
        case "recall":
            return ["route", "recall"]
        case "question":
            return ["route", "retrieve"]


async def _after_answer(state: State) -> str:
    """Calls of ours are made here; those of the caller end the turn, which is not yet one to remember."""
    if state.get("handed"):
        return END
    return "act" if state["calls"] else "check"


async def _keeping(_: State, runtime: Runtime[Context]) -> str:
    """A conversation that nobody keeps needs no summary."""
    return END if runtime.context.thread_id is None else "condense"
