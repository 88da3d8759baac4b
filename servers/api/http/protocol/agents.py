"""Agents over HTTP: which there are and what they take and give."""

from typing import Any

from fastapi import APIRouter
from pydantic import TypeAdapter

from agents.events import Event
from agents.registry import AGENTS, Agent, find_agent
from servers.api.http.dependencies import AtDesk
from servers.api.http.openai_requests import Lenient, Metadata
from servers.api.http.protocol.schemas import Offset, Page, RunInput
from tools.schema import Answer

router = APIRouter(tags=["agents"])


class AgentSearch(Lenient):
    name: str | None = None
    limit: Page = 10
    offset: Offset = 0


@router.post("/assistants/search", include_in_schema=False)
@router.post("/agents/search")
async def search(asked: AgentSearch | None = None) -> list[dict[str, Any]]:
    asked = asked or AgentSearch()
    found = [agent for agent in AGENTS.values() if asked.name in (None, agent.name)]
    return [_show(agent) for agent in found[asked.offset : asked.offset + asked.limit]]


@router.get("/agents")
async def list_agents() -> list[dict[str, Any]]:
    return [_show(agent) for agent in AGENTS.values()]


@router.get("/assistants/{agent_id}", include_in_schema=False)
@router.get("/agents/{agent_id}")
async def get(agent_id: str) -> dict[str, Any]:
    return _show(find_agent(agent_id))


@router.get("/assistants/{agent_id}/schemas", include_in_schema=False)
@router.get("/agents/{agent_id}/schemas")
async def schemas(agent_id: str, desk: AtDesk) -> dict[str, Any]:
    agent = find_agent(agent_id)
    return {
        "agent_id": agent.name,
        "input_schema": RunInput.model_json_schema(),
        "output_schema": Answer.model_json_schema(),
        "event_schema": TypeAdapter(Event).json_schema(),
        "state_schema": desk.ready[agent.name].threaded.get_output_jsonschema(),
        "config_schema": Metadata.model_json_schema(),
    }


def _show(agent: Agent) -> dict[str, Any]:
    return {
        "agent_id": agent.name,
        "assistant_id": agent.name,
        "graph_id": agent.name,
        "name": agent.name,
        "description": agent.description,
        "metadata": {},
        "capabilities": {"ap.io.messages": True, "ap.io.streaming": True},
    }
