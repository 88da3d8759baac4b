"""The registry of agents. A new one is a folder with state, prompts, nodes and graph, and one line here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langgraph.graph import StateGraph

from agents.chat import graph as chat
from agents.context import Context
from agents.data import graph as data
from agents.research import graph as research
from tools.errors import AgentNotFound


@dataclass(frozen=True)
class Agent:
    """A name to ask for, what it is good at, and how its graph is built; whether it heeds a caller's own
    tools and schema (`for_programs`)."""

    name: str
    description: str
    build: Callable[[], StateGraph[Any, Context, Any, Any]]
    for_programs: bool = False


AGENTS = {
    agent.name: agent
    for agent in (
        Agent(
            "capibara6",
            "Responde con citas del conocimiento / cited answers",
            chat.build_graph,
            for_programs=True,
        ),
        Agent(
            "capibara6-research", "Investiga una pregunta por partes / research report", research.build_graph
        ),
        Agent("capibara6-data", "Consulta tablas y grafo / answers from tables and graph", data.build_graph),
    )
}


def find_agent(name: str) -> Agent:
    """Raises `AgentNotFound` with the list of those there are."""
    if name not in AGENTS:
        raise AgentNotFound(f"there is no agent {name!r}; there are: {', '.join(AGENTS)}", param="agent_id")
    return AGENTS[name]
