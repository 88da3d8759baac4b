"""The research agent as a flowchart: plan → explore ∥ → number → write ∥ → critique ↺ → report → check."""

from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from agents.answering import steps
from agents.context import Context
from agents.research import nodes
from agents.research.state import State


def build_graph() -> StateGraph[State, Context, Any, Any]:
    """The graph, not compiled: whoever runs it chooses the checkpointer."""
    graph = StateGraph(State, context_schema=Context)
    for name, node in (
        ("understand", nodes.understand),
        ("route", steps.route),
        ("plan", nodes.plan),
        ("number", nodes.number),
        ("critique", nodes.critique),
        ("report", nodes.report),
        ("check", steps.check),
    ):
        graph.add_node(name, node)
    graph.add_node("explore", nodes.explore, input_schema=nodes.Task)
    graph.add_node("write", nodes.write, input_schema=nodes.Task)
    graph.add_edge(START, "understand")
    graph.add_edge("understand", "route")
    graph.add_edge("route", "plan")
    graph.add_conditional_edges("plan", _explore, ["explore"])
    graph.add_edge("explore", "number")
    graph.add_conditional_edges("number", _write, ["write"])
    graph.add_edge("write", "critique")
    graph.add_conditional_edges("critique", _again, ["explore", "report"])
    graph.add_edge("report", "check")
    graph.add_edge("check", END)
    return graph


async def _explore(state: State, runtime: Runtime[Context]) -> list[Send]:
    return [Send("explore", task) for task in nodes.branches(state, top_k=runtime.context.chat.top_k)]


async def _write(state: State, runtime: Runtime[Context]) -> list[Send]:
    return [Send("write", task) for task in nodes.branches(state, top_k=runtime.context.chat.top_k)]


async def _again(state: State, runtime: Runtime[Context]) -> list[Send] | str:
    return await _explore(state, runtime) if state["weak"] else "report"
