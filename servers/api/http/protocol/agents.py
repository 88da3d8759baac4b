"""The Agent Protocol's agents (LangGraph's assistants) over HTTP: search, read, JSON schemas."""

from fastapi import APIRouter
from pydantic import BaseModel, TypeAdapter

from agents.events import Event
from agents.registry import AGENTS, Agent, find_agent
from servers.api.http.dependencies import Limit, Offset, RequestModel, ServicesDep
from servers.api.http.openai_requests import Metadata
from servers.api.http.protocol.schemas import RunInput
from tools.schema import Answer, JsonObject

router = APIRouter(tags=["agents"])


class AgentSearch(RequestModel):
    """`name` is exact; without it every agent is found."""

    name: str | None = None
    limit: Limit = 10
    offset: Offset = 0


class AgentView(BaseModel):
    """An agent under the names of the Agent Protocol (`agent_id`) and of LangGraph (`assistant_id`)."""

    agent_id: str
    assistant_id: str
    graph_id: str
    name: str
    description: str
    metadata: JsonObject = {}
    capabilities: dict[str, bool] = {"ap.io.messages": True, "ap.io.streaming": True}


class AgentSchemas(BaseModel):
    """JSON schemas of what an agent takes, answers, streams, keeps and can be configured with."""

    agent_id: str
    input_schema: JsonObject
    output_schema: JsonObject
    event_schema: JsonObject
    state_schema: JsonObject
    config_schema: JsonObject


@router.post("/assistants/search", include_in_schema=False)
@router.post("/agents/search")
async def search(body: AgentSearch | None = None) -> list[AgentView]:
    """Agents by name."""
    body = body or AgentSearch()
    found = [agent for agent in AGENTS.values() if body.name in (None, agent.name)]
    return [_view(agent) for agent in found[body.offset : body.offset + body.limit]]


@router.get("/agents")
async def list_agents() -> list[AgentView]:
    """Every agent."""
    return [_view(agent) for agent in AGENTS.values()]


@router.get("/assistants/{agent_id}", include_in_schema=False)
@router.get("/agents/{agent_id}")
async def get(agent_id: str) -> AgentView:
    """One agent."""
    return _view(find_agent(agent_id))


@router.get("/assistants/{agent_id}/schemas", include_in_schema=False)
@router.get("/agents/{agent_id}/schemas")
async def schemas(agent_id: str, services: ServicesDep) -> AgentSchemas:
    """What an agent takes and gives."""
    agent = find_agent(agent_id)
    return AgentSchemas(
        agent_id=agent.name,
        input_schema=RunInput.model_json_schema(),
        output_schema=Answer.model_json_schema(),
        event_schema=TypeAdapter(Event).json_schema(),
        state_schema=services.agents[agent.name].threaded.get_output_jsonschema(),
        config_schema=Metadata.model_json_schema(),
    )


def _view(agent: Agent) -> AgentView:
    name = agent.name
    return AgentView(
        agent_id=name, assistant_id=name, graph_id=name, name=name, description=agent.description
    )
