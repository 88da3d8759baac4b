"""The data agent as a flowchart: (route ∥ look) → write → run ⇄ write → present → check."""

from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from agents.answering import steps
from agents.context import Context
from agents.data import nodes
from agents.data.state import State


def build_graph() -> StateGraph[State, Context, Any, Any]:
    """The graph, not compiled: whoever runs it chooses the checkpointer."""
    graph = StateGraph(State, context_schema=Context)
    for name, node in (
        ("understand", nodes.understand),
        ("route", steps.route),
        ("look", nodes.look),
        ("write", nodes.write),
        ("run", nodes.run),
        ("present", nodes.present),
        ("check", steps.check),
    ):
        graph.add_node(name, node)
    graph.add_edge(START, "understand")
    graph.add_edge("understand", "route")
    graph.add_edge("understand", "look")
    graph.add_edge(["route", "look"], "write")
    graph.add_conditional_edges("write", _written, {True: "run", False: "present"})
    graph.add_conditional_edges("run", nodes.may_repair, {True: "write", False: "present"})
    graph.add_edge("present", "check")
    graph.add_edge("check", END)
    return graph


async def _written(state: State, runtime: Runtime[Context]) -> bool:
    return bool(state["query"])
