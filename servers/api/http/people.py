"""HTTP routes for what the platform holds of one person, by mail address or user name: told, and erased.

Every store is asked: the bridge's, the API's own, letters, flow runs. Copies made before stay as they are
until they are retired: their names are told.
"""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import AfterValidator, BaseModel

from servers.api.assistants.rows import AssistantRow
from servers.api.http.dependencies import CallerDep, ServicesDep
from servers.api.services import Services
from servers.api.stored.letters import erase_letters, letters_to
from servers.api.stored.people import PersonalRows
from tools.access.identity import LOCAL, SCOPES, Principal
from tools.clients.prefect import Prefect, open_prefect
from tools.clients.sources import owner_tag
from tools.errors import NotFound
from tools.schema import JsonObject
from tools.settings import Settings

router = APIRouter(prefix="/api/people", tags=["people"])
ABOUT_PEOPLE = ("lead_processing", "conversation_logger")
"""Flows whose parameters hold an address."""


def _name(text: str) -> str:
    if text.strip().lower() == LOCAL.user:
        raise ValueError(f"{LOCAL.user} is the deployment itself")
    return text.strip().lower()


Person = Annotated[str, Path(max_length=320, pattern=r"^[^\s/]+$"), AfterValidator(_name)]


class Held(BaseModel):
    """What is held of a person: rows by store and table; `backups` are copies that may hold it too."""

    person: str
    stores: dict[str, dict[str, list[JsonObject]]]
    backups: list[str]


class Erased(BaseModel):
    """How many rows went, by store and table; `backups` are copies that may still hold them."""

    person: str
    stores: dict[str, dict[str, int]]
    backups: list[str]


@router.get("/{person}")
async def export(person: Person, services: ServicesDep, caller: CallerDep) -> Held:
    """All that is held of a person, as they may ask for it (GDPR, article 15). 404 where that is nothing."""
    who, own = _principal(caller, person), PersonalRows(services.threads, services.runner)
    made = await _assistants(services, who)
    stores = {
        "bridge": await services.clients.bridge.records(person),
        "api": await own.export(caller.tenant, person),
        "assistants": {"assistants": [row.model_dump(mode="json") for row in made]},
        "letters": {"letters": await asyncio.to_thread(letters_to, services.settings, person)},
        "flows": {"runs": await _flow_runs(services, who)},
    }
    _check_found(stores)
    return Held(person=person, stores=stores, backups=_backups(services.settings))


@router.delete("/{person}")
async def erase(person: Person, services: ServicesDep, caller: CallerDep) -> Erased:
    """Erase it from every store (article 17); again, where a store was away. 404 where nothing is held."""
    who, own = _principal(caller, person), PersonalRows(services.threads, services.runner)
    async with open_prefect(services.settings) as prefect:
        runs = await _find_runs(prefect, who)
        for run in runs:
            await prefect.forget(run["id"])
    stores = {
        "bridge": await services.clients.bridge.erase(person),
        "api": await own.erase(caller.tenant, person),
        "assistants": {"assistants": await _erase_assistants(services, who)},
        "letters": {"letters": await asyncio.to_thread(erase_letters, services.settings, person)},
        "flows": {"runs": len(runs)},
    }
    _check_found(stores)
    return Erased(person=person, stores=stores, backups=_backups(services.settings))


def _principal(caller: Principal, person: str) -> Principal:
    """The person of the caller's tenant, as what they own names them."""
    return Principal(caller.tenant, person, "user", SCOPES["user"], "")


async def _assistants(services: Services, who: Principal) -> list[AssistantRow]:
    return [row for row in await services.assistants.readable(who) if row.owner == who.user]


async def _erase_assistants(services: Services, who: Principal) -> int:
    found = await _assistants(services, who)
    for row in found:
        await services.assistants.delete(row.assistant_id, who)
    return len(found)


async def _flow_runs(services: Services, who: Principal) -> list[JsonObject]:
    async with open_prefect(services.settings) as prefect:
        runs = await _find_runs(prefect, who)
        return [
            {
                "id": run["id"],
                "parameters": run["parameters"],
                "artifacts": await prefect.artifacts(run["id"]),
            }
            for run in runs
        ]


async def _find_runs(prefect: Prefect, who: Principal) -> list[JsonObject]:
    """The flow runs about a person, or asked for by them."""
    about = {"flows": {"name": {"any_": list(ABOUT_PEOPLE)}}}
    theirs = {"flow_runs": {"tags": {"all_": [owner_tag(who)]}}}
    found = [
        run
        for run in await prefect.pages("/flow_runs/filter", about)
        if str(run["parameters"].get("email", "")).lower() == who.user
    ]
    asked = await prefect.pages("/flow_runs/filter", theirs)
    return list({run["id"]: run for run in (*found, *asked)}.values())


def _check_found(stores: dict[str, dict[str, int]] | dict[str, dict[str, list[JsonObject]]]) -> None:
    """Raises NotFound for nothing at all."""
    if not any(rows for tables in stores.values() for rows in tables.values()):
        raise NotFound("nothing is held of this person", param="person", source="api")


def _backups(settings: Settings) -> list[str]:
    """The copies on this machine; where `backup` has a target of its own they are there too."""
    return sorted(file.parent.name for file in (settings.home / "backups").glob("[!.]*/manifest.json"))
