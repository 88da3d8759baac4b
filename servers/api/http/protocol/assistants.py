"""Assistants over HTTP, LangGraph's and the Agent Protocol's agents: made, found, changed by versions,
described."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import Field, TypeAdapter, field_validator

from agents.events import Event
from agents.registry import AGENTS
from servers.api.assistants.definition import Definition
from servers.api.assistants.rows import Content
from servers.api.http.dependencies import CallerDep, Limit, Offset, ServicesDep
from servers.api.http.protocol.assistant_views import AssistantView, of_agent, of_row, of_version
from servers.api.http.protocol.run_requests import ClientMetadata, Configuration, RunInput, StrictRequest
from servers.api.http.protocol.schemas import Select, selected
from servers.api.services import Services
from tools.access.identity import Principal
from tools.errors import Conflict
from tools.schema import Answer, JsonObject

router = APIRouter(tags=["agents"])
AssistantId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
SHARING = ("private", "everybody")


class AssistantChange(StrictRequest):
    """A new version of an assistant: what is given takes the place of what was, metadata is merged.

    `metadata.sharing` is `private` or `everybody`: those of the tenant may then use and read it.
    """

    graph_id: Annotated[str, Field(max_length=64)] | None = None
    name: Name | None = None
    description: Annotated[str, Field(max_length=2_000)] | None = None
    config: Configuration | None = None
    context: Definition | None = None
    metadata: ClientMetadata | None = None

    @field_validator("metadata")
    @classmethod
    def _shared(cls, value: JsonObject | None) -> JsonObject | None:
        if value is not None and value.get("sharing", "private") not in SHARING:
            raise ValueError(f"sharing is {' or '.join(SHARING)}")
        return value

    def changes(self) -> dict[str, Any]:
        """Fields of an assistant's content. Raises `BadRequest` for a choice in `config` that is none."""
        found: dict[str, Any] = self.model_dump(
            include={"graph_id", "name", "description", "metadata"}, exclude_none=True
        )
        if self.config is not None or self.context is not None:
            config = self.config or Configuration()
            chosen = config.definition.over(self.context or Definition())
            found["context"] = chosen.chosen()
            found["config"] = config.model_dump(exclude={"configurable"}, exclude_none=True)
        return found


class AssistantCreate(AssistantChange):
    """An assistant to make of an agent's graph."""

    assistant_id: AssistantId | None = None
    if_exists: Literal["raise", "do_nothing"] = "raise"

    def content(self) -> Content:
        """The first version."""
        blank: Content = {
            "graph_id": next(iter(AGENTS)),
            "name": "Untitled",
            "description": None,
            "context": {},
            "config": {},
            "metadata": {},
        }
        return {**blank, **self.changes()}  # type: ignore[typeddict-item]  # fields of `Content`


class AssistantFilter(StrictRequest):
    """`name` is a part of the name, in any case; metadata holds what is given."""

    name: Annotated[str, Field(max_length=200)] | None = None
    graph_id: Annotated[str, Field(max_length=64)] | None = None
    metadata: ClientMetadata = Field(default={})

    def finds(self, view: AssistantView) -> bool:
        """Whether it is one of these."""
        named = self.name is None or self.name.lower() in view.name.lower()
        return (
            named
            and self.graph_id in (None, view.graph_id)
            and self.metadata.items() <= view.metadata.items()
        )


class AssistantSearch(AssistantFilter):
    """A page of assistants, the platform's own agents first unless they are sorted."""

    limit: Limit = 10
    offset: Offset = 0
    sort_by: Literal["assistant_id", "graph_id", "name", "created_at", "updated_at"] | None = None
    sort_order: Literal["asc", "desc"] = "asc"
    select: Select = None


class VersionSearch(StrictRequest):
    """A page of an assistant's versions."""

    metadata: ClientMetadata = Field(default={})
    limit: Limit = 10
    offset: Offset = 0


class VersionChoice(StrictRequest):
    """The version to put in force."""

    version: int = Field(ge=1, lt=2**31)


@router.post("/assistants/search", include_in_schema=False)
@router.post("/agents/search")
async def search(
    services: ServicesDep, caller: CallerDep, response: Response, body: AssistantSearch | None = None
) -> list[JsonObject]:
    """Agents and assistants by name, graph and metadata."""
    body = body or AssistantSearch()
    found = await _found(services, caller, body)
    if body.sort_by is not None:
        found.sort(key=lambda view: getattr(view, body.sort_by or ""), reverse=body.sort_order == "desc")
    end = body.offset + body.limit
    if end < len(found):
        response.headers["x-pagination-next"] = str(end)
    return [selected(view, body.select) for view in found[body.offset : end]]


@router.post("/assistants/count")
async def count(services: ServicesDep, caller: CallerDep, body: AssistantFilter | None = None) -> int:
    """How many there are of these."""
    return len(await _found(services, caller, body or AssistantFilter()))


@router.get("/agents")
async def list_agents(services: ServicesDep, caller: CallerDep) -> list[AssistantView]:
    """Every agent and assistant."""
    return await _found(services, caller, AssistantFilter())


@router.post("/assistants")
async def create(body: AssistantCreate, services: ServicesDep, caller: CallerDep) -> AssistantView:
    """Make an assistant; its id is at once a model's name on OpenAI's API, so it is no other model's."""
    models = {model["id"] for model in await services.clients.pool.models()} if body.assistant_id else set()
    if body.assistant_id in models:
        raise Conflict(f"{body.assistant_id} is a model's name", param="assistant_id", source="api")
    return of_row(
        await services.assistants.create(body.assistant_id, caller, body.content(), if_exists=body.if_exists)
    )


@router.get("/assistants/{agent_id}", include_in_schema=False)
@router.get("/agents/{agent_id}")
async def get(agent_id: str, services: ServicesDep, caller: CallerDep) -> AssistantView:
    """One agent or assistant."""
    if agent_id in AGENTS:
        return of_agent(AGENTS[agent_id])
    await services.assistants.resolve(agent_id, caller)
    return of_row(await services.assistants.get(agent_id, caller))


@router.patch("/assistants/{assistant_id}")
async def update(
    assistant_id: str, body: AssistantChange, services: ServicesDep, caller: CallerDep
) -> AssistantView:
    """A new version, in force at once."""
    return of_row(await services.assistants.update(assistant_id, caller, body.changes()))


@router.delete("/assistants/{assistant_id}", status_code=204)
async def delete(
    assistant_id: str, services: ServicesDep, caller: CallerDep, delete_threads: bool = False
) -> Response:
    """Delete an assistant with its versions; with `delete_threads` also the caller's threads it ran in."""
    await services.assistants.delete(assistant_id, caller)
    if delete_threads:
        await services.delete_threads({"assistant_id": assistant_id}, caller)
    return Response(status_code=204)


@router.post("/assistants/{assistant_id}/versions")
async def versions(
    assistant_id: str, services: ServicesDep, caller: CallerDep, body: VersionSearch | None = None
) -> list[AssistantView]:
    """Versions, newest first."""
    body = body or VersionSearch()
    if assistant_id in AGENTS:
        return [of_agent(AGENTS[assistant_id])]
    row = await services.assistants.get(assistant_id, caller)
    found = [of_version(row, one) for one in await services.assistants.versions(assistant_id, caller)]
    found = [view for view in found if body.metadata.items() <= view.metadata.items()]
    return found[body.offset : body.offset + body.limit]


@router.post("/assistants/{assistant_id}/latest")
async def set_latest(
    assistant_id: str, body: VersionChoice, services: ServicesDep, caller: CallerDep
) -> AssistantView:
    """Put a version in force."""
    return of_row(await services.assistants.set_latest(assistant_id, caller, body.version))


@router.get("/assistants/{agent_id}/graph")
async def graph(
    agent_id: str, services: ServicesDep, caller: CallerDep, xray: bool | int = False
) -> JsonObject:
    """The graph's nodes and edges; there are no graphs inside, so `xray` shows no more."""
    found = await services.assistants.resolve(agent_id, caller)
    return services.agents[found.graph_id].threaded.get_graph().to_json()


@router.get("/assistants/{agent_id}/subgraphs")
@router.get("/assistants/{agent_id}/subgraphs/{namespace}")
async def subgraphs(
    agent_id: str,
    services: ServicesDep,
    caller: CallerDep,
    namespace: str | None = None,
    recurse: bool = False,
) -> JsonObject:
    """The graphs inside the graph: none."""
    await services.assistants.resolve(agent_id, caller)
    return {}


@router.get("/assistants/{agent_id}/schemas", include_in_schema=False)
@router.get("/agents/{agent_id}/schemas")
async def schemas(agent_id: str, services: ServicesDep, caller: CallerDep) -> JsonObject:
    """JSON schemas of what an agent takes, answers, streams, keeps and can be told in its context."""
    found = await services.assistants.resolve(agent_id, caller)
    return {
        "agent_id": agent_id,
        "graph_id": found.graph_id,
        "input_schema": RunInput.model_json_schema(),
        "output_schema": Answer.model_json_schema(),
        "event_schema": TypeAdapter(Event).json_schema(),
        "state_schema": services.agents[found.graph_id].threaded.get_output_jsonschema(),
        "config_schema": Definition.model_json_schema(),
        "context_schema": Definition.model_json_schema(),
    }


async def _found(services: Services, caller: Principal, wanted: AssistantFilter) -> list[AssistantView]:
    made = map(of_row, await services.assistants.readable(caller))
    return [view for view in (*map(of_agent, AGENTS.values()), *made) if wanted.finds(view)]
