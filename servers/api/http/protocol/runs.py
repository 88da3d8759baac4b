"""The Agent Protocol's runs over HTTP: on a thread or without one; in the background, awaited or streamed;
joined again; cancelled; deleted."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse

from agents.registry import find_agent
from servers.api.http.dependencies import CallerDep, ServicesDep
from servers.api.http.protocol.schemas import RunCreate, RunView
from servers.api.http.run_events import RunEventsResponse
from servers.api.runs.tables import RunRow, asked_by
from servers.api.services import Services
from tools.access.identity import Principal
from tools.errors import Conflict, from_envelope
from tools.schema import JsonObject

router = APIRouter(tags=["runs"])
LastEventId = Annotated[str | None, Header(alias="last-event-id", max_length=64)]
ERROR_STATUS = {"error": 500, "timeout": 504, "cancelled": 499}
"""The HTTP status of a run without an answer, when its error names none."""


@router.post("/runs", status_code=202)
@router.post("/threads/{thread_id}/runs", status_code=202)
async def create(
    body: RunCreate, services: ServicesDep, caller: CallerDep, thread_id: str | None = None
) -> RunView:
    """Accept a run and answer at once; it goes on whoever leaves."""
    return RunView.of(await _start(services, body, caller, thread_id))


@router.post("/runs/wait")
@router.post("/threads/{thread_id}/runs/wait")
async def wait(
    body: RunCreate, services: ServicesDep, caller: CallerDep, thread_id: str | None = None
) -> JSONResponse:
    """Run and answer with how it ended; a caller that leaves ends the run unless it asked otherwise."""
    row = await _start_attached(services, body, caller, thread_id)
    ended = False
    try:
        row = await services.runner.wait(row.run_id)
        ended = True
    finally:
        if not ended and body.on_disconnect == "cancel":
            services.runner.request_cancel(row.run_id)
    return _ending(row, await services.threads.values(row.thread_id))


@router.post("/runs/stream")
@router.post("/threads/{thread_id}/runs/stream")
async def stream(
    body: RunCreate, services: ServicesDep, caller: CallerDep, thread_id: str | None = None
) -> RunEventsResponse:
    """Run and stream its events; a reader that leaves ends the run unless it asked otherwise."""
    row = await _start_attached(services, body, caller, thread_id)
    cancels = body.on_disconnect == "cancel"
    on_disconnect = (lambda: services.runner.cancel(row.run_id)) if cancels else None
    return RunEventsResponse(
        services.runner.follow(row.run_id), run_id=row.run_id, on_disconnect=on_disconnect
    )


@router.get("/threads/{thread_id}/runs")
async def list_runs(
    thread_id: str,
    services: ServicesDep,
    caller: CallerDep,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 10,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    status: str | None = None,
) -> list[RunView]:
    """A thread's runs, newest first."""
    thread = await services.threads.get(thread_id, caller)
    rows = await services.runner.repository.search(
        thread_id=thread.thread_id, status=status, limit=limit, offset=offset
    )
    return [RunView.of(row) for row in rows]


@router.get("/runs/{run_id}")
@router.get("/threads/{thread_id}/runs/{run_id}")
async def get(run_id: str, services: ServicesDep, caller: CallerDep, thread_id: str | None = None) -> RunView:
    """One run."""
    return RunView.of(await services.runner.repository.find(run_id, caller, thread_id=thread_id))


@router.get("/runs/{run_id}/wait")
@router.get("/threads/{thread_id}/runs/{run_id}/join")
async def join(
    run_id: str, services: ServicesDep, caller: CallerDep, thread_id: str | None = None
) -> JSONResponse:
    """Wait for a run that someone else started; leaving does not end it."""
    await services.runner.repository.find(run_id, caller, thread_id=thread_id)
    row = await services.runner.wait(run_id)
    return _ending(row, await services.threads.values(row.thread_id))


@router.get("/runs/{run_id}/stream")
@router.get("/threads/{thread_id}/runs/{run_id}/stream")
async def rejoin(
    run_id: str,
    services: ServicesDep,
    caller: CallerDep,
    thread_id: str | None = None,
    last_event_id: LastEventId = None,
) -> RunEventsResponse:
    """The run's events after the last one seen, from the past and as they come."""
    await services.runner.repository.find(run_id, caller, thread_id=thread_id)
    return RunEventsResponse(services.runner.follow(run_id, last_event_id), run_id=run_id)


@router.post("/runs/{run_id}/cancel")
@router.post("/threads/{thread_id}/runs/{run_id}/cancel")
async def cancel(
    run_id: str, services: ServicesDep, caller: CallerDep, thread_id: str | None = None, wait: bool = True
) -> RunView:
    """End the run and the model call behind it; with `wait` the answer comes when that is done."""
    row = await services.runner.repository.find(run_id, caller, thread_id=thread_id)
    if wait:
        row = await services.runner.cancel(run_id)
    else:
        services.runner.request_cancel(run_id)
    return RunView.of(row)


@router.delete("/runs/{run_id}", status_code=204)
@router.delete("/threads/{thread_id}/runs/{run_id}", status_code=204)
async def delete(
    run_id: str, services: ServicesDep, caller: CallerDep, thread_id: str | None = None
) -> Response:
    """Delete a run that has ended."""
    row = await services.runner.repository.find(run_id, caller, thread_id=thread_id)
    if row.run_id in services.runner.active:
        raise Conflict("the run has not ended; cancel it first", param="run_id", source="api")
    await services.runner.repository.delete(run_id)
    return Response(status_code=204)


async def _start_attached(
    services: Services, body: RunCreate, caller: Principal, thread_id: str | None
) -> RunRow:
    """Start a run whose caller stays; one who is gone before it is accepted leaves nothing running."""
    starting = asyncio.ensure_future(_start(services, body, caller, thread_id))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait({starting})
        if body.on_disconnect == "cancel" and not starting.cancelled() and starting.exception() is None:
            services.runner.request_cancel(starting.result().run_id)
        raise


async def _start(services: Services, body: RunCreate, caller: Principal, thread_id: str | None) -> RunRow:
    find_agent(body.agent_id)
    row = body.row(thread_id, services.settings.limits)
    row.tenant, row.owner, row.principal = caller.tenant, caller.user, asked_by(caller)
    if thread_id is not None:
        if body.if_not_exists == "create":
            await services.threads.create(thread_id, caller, {}, if_exists="do_nothing")
        thread = await services.threads.get(thread_id, caller)
        row.thread_id, row.owner = thread.thread_id, thread.owner
    if body.command is not None:
        row.request = {"wishes": await _interrupted_wishes(services, row.thread_id), **row.request}
    await services.runner.start(row, body.strategy)
    return row


async def _interrupted_wishes(services: Services, thread_id: str) -> JsonObject:
    """The choices of the run that waits for a person: its resumption keeps the same grants.

    Raises `Conflict` when none waits.
    """
    rows = await services.runner.repository.search(thread_id=thread_id, limit=1)
    if not rows or rows[0].status != "interrupted":
        raise Conflict("no run of this thread waits for a command", param="command", source="api")
    return rows[0].request.get("wishes", {})


def _ending(row: RunRow, values: JsonObject) -> JSONResponse:
    """The thread's values and the run's last event. Raises the run's error when it gave no answer."""
    ending = row.ending or {}
    if row.status in ERROR_STATUS:
        raise from_envelope(ERROR_STATUS[row.status], {"error": ending.get("error", {})}, source="api")
    return JSONResponse({**values, "run": RunView.of(row).model_dump(), "ending": ending})
