"""LangGraph's crons over HTTP: made on a thread or without one, found, counted, changed, deleted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from fastapi import APIRouter, Response

from servers.api.http.dependencies import CallerDep, ServicesDep
from servers.api.http.protocol.acceptance import check, name_ignored
from servers.api.http.protocol.cron_requests import (
    CronChange,
    CronCreate,
    CronFilter,
    CronSearch,
    refuse_over,
)
from servers.api.http.protocol.run_requests import RunCreate
from servers.api.http.protocol.schemas import selected
from servers.api.runs.crons import Cron, Crons
from servers.api.services import Services
from tools.access.identity import Principal
from tools.clients.prefect import open_prefect
from tools.schema import JsonObject

router = APIRouter(tags=["runs"])


@router.post("/runs/crons")
@router.post("/threads/{thread_id}/runs/crons")
async def create(
    body: CronCreate,
    services: ServicesDep,
    caller: CallerDep,
    response: Response,
    thread_id: str | None = None,
) -> Cron:
    """Run an agent or assistant at its hours, as the caller. 503 where Prefect is not reachable."""
    refuse_over(body.end_time)
    run = await _checked(services, caller, body, thread_id)
    async with _crons(services, caller) as crons:
        made = await crons.create(body.plan(thread_id))
    name_ignored(run, response)
    return made


@router.post("/runs/crons/search")
async def search(
    services: ServicesDep, caller: CallerDep, body: CronSearch | None = None
) -> list[JsonObject]:
    """The caller's crons, newest first."""
    body = body or CronSearch()
    async with _crons(services, caller) as crons:
        found = [cron for cron in await crons.all() if body.finds(cron)]
    return [selected(cron.model_dump(mode="json"), body.select) for cron in body.page(found)]


@router.post("/runs/crons/count")
async def count(services: ServicesDep, caller: CallerDep, body: CronFilter | None = None) -> int:
    """How many there are of these."""
    async with _crons(services, caller) as crons:
        return sum(map((body or CronFilter()).finds, await crons.all()))


@router.patch("/runs/crons/{cron_id}")
async def update(
    cron_id: UUID, body: CronChange, services: ServicesDep, caller: CallerDep, response: Response
) -> Cron:
    """Change a cron; what is planned follows."""
    async with _crons(services, caller) as crons:
        kept = await crons.get(str(cron_id))
        changed = body.over(kept)
        refuse_over(changed.end_time if "end_time" in body.model_fields_set else None)
        run = await _checked(services, caller, changed, kept.thread_id)
        name_ignored(run, response)
        return await crons.update(str(cron_id), changed.plan(kept.thread_id))


@router.delete("/runs/crons/{cron_id}", status_code=204)
async def delete(cron_id: UUID, services: ServicesDep, caller: CallerDep) -> Response:
    """Delete a cron; its runs stay."""
    async with _crons(services, caller) as crons:
        await crons.delete(str(cron_id))
    return Response(status_code=204)


async def _checked(
    services: Services, caller: Principal, body: CronCreate, thread_id: str | None
) -> RunCreate:
    """The run that a cron makes. Raises what its request, agent, thread and webhook refuse."""
    run = body.run(thread_id)
    agent = await check(services, run, caller)
    if thread_id is not None:
        await services.threads.get(thread_id, caller)
    run.order(agent, services.settings.limits)
    return run


@asynccontextmanager
async def _crons(services: Services, caller: Principal) -> AsyncIterator[Crons]:
    async with open_prefect(services.settings) as prefect:
        await prefect.health()  # its other calls are tried for seconds before they say that it is away
        yield Crons(prefect, caller)
