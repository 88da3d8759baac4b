"""The chat agent as a flowchart: understand → (route ∥ retrieve) → answer ⇄ act → check → speak."""

from typing import Any

from langgraph.graph import END, START, StateGraph

from agents import steps
from agents.chat import nodes
from agents.chat.state import State
from agents.context import Context


def build_graph() -> StateGraph[State, Context, Any, Any]:
    graph = StateGraph(State, context_schema=Context)
    graph.add_node("understand", nodes.understand)
    graph.add_node("route", steps.route)
    graph.add_node("retrieve", nodes.retrieve)
    graph.add_node("answer", nodes.answer, defer=True)
    graph.add_node("act", nodes.act)
    graph.add_node("check", steps.check)
    graph.add_node("speak", steps.speak)
    graph.add_edge(START, "understand")
    graph.add_conditional_edges("understand", _needs, ["route", "retrieve"])
    graph.add_edge("route", "answer")
    graph.add_edge("retrieve", "answer")
    graph.add_conditional_edges("answer", _wants_tools, {True: "act", False: "check"})
    graph.add_edge("act", "answer")
    graph.add_conditional_edges("check", steps.wants_voice, {True: "speak", False: END})
    graph.add_edge("speak", END)
    return graph


def _needs(state: State) -> list[str]:
    """Small talk needs a model and no knowledge; a question needs both, looked for at the same time."""
    return ["route"] if state["intent"] == "talk" else ["route", "retrieve"]


def _wants_tools(state: State) -> bool:
    return bool(state["calls"])
