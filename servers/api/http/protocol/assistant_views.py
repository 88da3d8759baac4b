"""Assistants and the platform's own agents as readers see them, under the names of both protocols."""

from datetime import UTC, datetime

from pydantic import BaseModel

from agents.registry import Agent
from servers.api.assistants.rows import AssistantRow, Content, VersionRow
from tools.schema import JsonObject

WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)
"""Clients want a date; agents have none, so it is the year they were written."""


class AssistantView(BaseModel):
    """An agent under the names of the Agent Protocol (`agent_id`) and of LangGraph (`assistant_id`); times
    are ISO 8601."""

    agent_id: str
    assistant_id: str
    graph_id: str
    name: str
    description: str | None
    metadata: JsonObject
    context: JsonObject
    config: JsonObject
    version: int
    owner: str | None
    created_at: str
    updated_at: str
    capabilities: dict[str, bool] = {"ap.io.messages": True, "ap.io.streaming": True}


def of_agent(agent: Agent) -> AssistantView:
    """One of the platform's own."""
    content: Content = {
        "graph_id": agent.name,
        "name": agent.name,
        "description": agent.description,
        "context": {},
        "config": {},
        "metadata": {"created_by": "system"},
    }
    return _view(agent.name, content, version=1, owner=None, at=(WRITTEN, WRITTEN))


def of_row(row: AssistantRow) -> AssistantView:
    """One that somebody made, as it is now."""
    at = (row.created_at, row.updated_at)
    return _view(row.assistant_id, row.content, version=row.version, owner=row.owner, at=at)


def of_version(row: AssistantRow, version: VersionRow) -> AssistantView:
    """What a version of it says."""
    at = (version.created_at, version.created_at)
    return _view(row.assistant_id, version.content, version=version.version, owner=row.owner, at=at)


def _view(
    name: str, content: Content, *, version: int, owner: str | None, at: tuple[datetime, datetime]
) -> AssistantView:
    return AssistantView(
        agent_id=name,
        assistant_id=name,
        version=version,
        owner=owner,
        created_at=at[0].isoformat(),
        updated_at=at[1].isoformat(),
        **content,
    )
