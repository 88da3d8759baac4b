"""OpenAI's list of models: the agents, the pool's models, whose answers are carried untouched, and the
bridge's embedders.
"""

import asyncio
from collections.abc import Sequence
from typing import NoReturn

from agents.context import Clients
from agents.registry import AGENTS
from servers.api.assistants.catalog import Resolved
from servers.api.assistants.rows import AssistantRow
from servers.api.services import Services
from tools.access.identity import Principal
from tools.errors import Capibara6Error, ModelNotFound
from tools.schema import JsonObject

CREATED = 1_767_225_600
"""Unix time: OpenAI's clients want a date; agents have none, so it is the year they were written."""


async def list_models(clients: Clients, made: Sequence[AssistantRow] = ()) -> JsonObject:
    """Agents first, then the assistants `made` of them. What a service that does not answer has is left out,
    and `degraded` names it."""
    listed = [*map(describe, AGENTS), *map(describe_assistant, made)]
    degraded: list[str] = []
    found = await asyncio.gather(_of_pool(clients), embedders(clients), return_exceptions=True)
    for source, models in zip(("pool", "bridge"), found, strict=True):
        if isinstance(models, Capibara6Error):
            degraded.append(models.source or source)
        elif isinstance(models, BaseException):
            raise models
        else:
            known = {model["id"] for model in listed}
            listed += [model for model in models if model["id"] not in known]
    return {"object": "list", "data": listed, **({"degraded": degraded} if degraded else {})}


async def find_model(clients: Clients, name: str, made: Sequence[AssistantRow]) -> JsonObject:
    """The agent, assistant or model called `name`. Raises `ModelNotFound`, which names those there are."""
    models = (await list_models(clients, made))["data"]
    found = next((model for model in models if model["id"] == name), None)
    if found is None:
        _raise_unknown(name, models)
    return found


async def agent_of(services: Services, name: str, by: Principal) -> Resolved:
    """The agent or assistant called `name`. Raises `ModelNotFound`, which names those there are."""
    found = await services.assistants.find(name, by)
    if found is None:
        await raise_unknown(services.clients, name)
    return found


async def raise_unknown(clients: Clients, name: str) -> NoReturn:
    """Raises `ModelNotFound`, which names those there are."""
    _raise_unknown(name, (await list_models(clients))["data"])


async def embedders(clients: Clients) -> list[JsonObject]:
    """The bridge's embedders by every name that they answer to, as OpenAI's clients see models."""
    found = await clients.bridge.http.json("GET", "/api/v1/embedders")
    return [
        {
            "id": one["name"],
            "object": "model",
            "created": CREATED,
            "owned_by": "capibara6",
            "domain": "embedding",
            "description": f"{one['model']}, {one['dimensions']} dimensions",
            "available": True,
        }
        for one in found["embedders"]
    ]


def describe(name: str) -> JsonObject:
    """An agent as OpenAI's clients see a model."""
    return {
        "id": name,
        "object": "model",
        "created": CREATED,
        "owned_by": "capibara6",
        "domain": "agent",
        "description": AGENTS[name].description,
        "status": "loaded",
        "available": True,
    }


def describe_assistant(row: AssistantRow) -> JsonObject:
    """An assistant in a list of models; its id is the model's name."""
    return {
        "id": row.assistant_id,
        "object": "model",
        "created": int(row.created_at.timestamp()),
        "owned_by": row.owner,
        "domain": "agent",
        "description": row.content["description"] or row.content["name"],
        "status": "loaded",
        "available": True,
    }


async def _of_pool(clients: Clients) -> list[JsonObject]:
    return [dict(model) for model in await clients.pool.models()]


def _raise_unknown(name: str, models: list[JsonObject]) -> NoReturn:
    known = ", ".join(model["id"] for model in models)
    raise ModelNotFound(f"there is no model {name[:256]!r}; there are: {known}", param="model", source="api")
