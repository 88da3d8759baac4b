"""Runs over HTTP, the Agent Protocol's and LangGraph's: on a thread or without one; in the background,
awaited or streamed; several at once; joined again; cancelled; deleted."""

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from agents.graph_options import StreamMode
from servers.api.http.dependencies import CallerDep, Limit, Offset, ServicesDep, ThreadId
from servers.api.http.protocol.acceptance import accept, accept_attached, name_ignored
from servers.api.http.protocol.run_requests import ClientMetadata, RunCreate, StrictRequest
from servers.api.http.protocol.schemas import RunView, Select, selected
from servers.api.http.run_events import RunEventsResponse
from servers.api.runs.tables import RunRow
from servers.api.services import Services
from tools.errors import BadRequest, Conflict, from_envelope
from tools.schema import JsonObject

router = APIRouter(tags=["runs"])
LastEventId = Annotated[str | None, Header(alias="last-event-id", max_length=64)]
Modes = Annotated[list[StreamMode | Literal[""]] | None, Query(max_length=16)]
"""LangGraph's client sends an empty one for none."""
Action = Literal["interrupt", "rollback"]
ERROR_STATUS = {"error": 500, "timeout": 504, "cancelled": 499}
"""The HTTP status of a run without an answer, when its error names none."""


class RunSearch(StrictRequest):
    """Runs of the caller by thread, agent, status and metadata."""

    thread_id: ThreadId | None = None
    agent_id: Annotated[str, Field(max_length=256)] | None = None
    status: Annotated[str, Field(max_length=32)] | None = None
    metadata: ClientMetadata = Field(default={})
    limit: Limit = 10
    offset: Offset = 0


class CancelMany(StrictRequest):
    """Which runs to end: those of a thread by their ids, or all with a status."""

    thread_id: ThreadId | None = None
    run_ids: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=1_000)] | None = None
    status: Literal["pending", "running", "all"] | None = None


@router.post("/runs")
@router.post("/threads/{thread_id}/runs")
async def create(
    body: RunCreate,
    services: ServicesDep,
    caller: CallerDep,
    response: Response,
    thread_id: str | None = None,
) -> RunView:
    """Accept a run and answer at once; it goes on whoever leaves. 200 as in LangGraph's API: its JavaScript
    client reads no body of a 202."""
    row = await accept(services, body, caller, thread_id)
    name_ignored(body, response)
    response.headers["content-location"] = f"/runs/{row.run_id}"
    return RunView.of(row)


@router.post("/runs/batch")
async def create_batch(
    body: Annotated[list[RunCreate], Field(min_length=1, max_length=100)],
    services: ServicesDep,
    caller: CallerDep,
) -> list[RunView]:
    """Accept several runs; one that is refused ends those accepted before it."""
    rows: list[RunRow] = []
    try:
        for one in body:
            rows.append(await accept(services, one, caller, None))
    except BaseException:
        for row in rows:
            services.runner.request_cancel(row.run_id)
        raise
    return [RunView.of(row) for row in rows]


@router.post("/runs/search")
async def search(services: ServicesDep, caller: CallerDep, body: RunSearch | None = None) -> list[RunView]:
    """The caller's runs, newest first."""
    body = body or RunSearch()
    key = body.thread_id and (await services.threads.get(body.thread_id, caller)).thread_id
    rows = await services.runner.repository.mine(caller, thread_id=key, status=body.status)
    found = [
        row
        for row in rows
        if body.agent_id in (None, row.agent_id) and body.metadata.items() <= row.meta.items()
    ]
    return [RunView.of(row) for row in found[body.offset : body.offset + body.limit]]


@router.post("/runs/cancel", status_code=204)
async def cancel_many(
    body: CancelMany, services: ServicesDep, caller: CallerDep, action: Action = "interrupt"
) -> Response:
    """End several runs of the caller's."""
    if (body.status is None) == (body.run_ids is None):
        raise BadRequest("name run_ids of a thread, or a status", param="run_ids", source="api")
    if body.run_ids is None:
        key = body.thread_id and (await services.threads.get(body.thread_id, caller)).thread_id
        rows = await services.runner.repository.mine(caller, thread_id=key, unfinished=True)
        chosen = [row for row in rows if body.status in ("all", row.status)]
    else:
        find = services.runner.repository.find
        chosen = [await find(run_id, caller, thread_id=body.thread_id) for run_id in body.run_ids]
    for row in chosen:
        await _end(services, row, action, wait=True)
    return Response(status_code=204)


@router.post("/runs/wait")
@router.post("/threads/{thread_id}/runs/wait")
async def wait(
    body: RunCreate, services: ServicesDep, caller: CallerDep, thread_id: str | None = None
) -> JSONResponse:
    """Run and answer with how it ended; a caller that leaves ends the run unless it asked otherwise."""
    row = await accept_attached(services, body, caller, thread_id)
    ended = False
    try:
        row = await services.runner.wait(row.run_id)
        ended = True
    finally:
        if not ended and body.on_disconnect == "cancel":
            services.runner.request_cancel(row.run_id)
    response = await _ending(services, row)
    name_ignored(body, response)
    return response


@router.post("/runs/stream")
@router.post("/threads/{thread_id}/runs/stream")
async def stream(
    body: RunCreate, services: ServicesDep, caller: CallerDep, thread_id: str | None = None
) -> RunEventsResponse:
    """Run and stream what it tells in the modes asked for; a reader that leaves ends the run unless it asked
    otherwise."""
    row = await accept_attached(services, body, caller, thread_id)
    cancels = body.on_disconnect == "cancel"
    on_disconnect = (lambda: services.runner.cancel(row.run_id)) if cancels else None
    response = RunEventsResponse(
        services.runner.follow(row.run_id), row=row, modes=body.modes, on_disconnect=on_disconnect
    )
    name_ignored(body, response)
    return response


@router.get("/threads/{thread_id}/runs")
async def list_runs(
    thread_id: str,
    services: ServicesDep,
    caller: CallerDep,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 10,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    status: str | None = None,
    select: Annotated[list[str] | None, Query(max_length=64)] = None,
) -> list[JsonObject]:
    """A thread's runs, newest first."""
    thread = await services.threads.get(thread_id, caller)
    rows = await services.runner.repository.search(
        thread_id=thread.thread_id, status=status, limit=limit, offset=offset
    )
    return [_shown(row, select) for row in rows]


@router.get("/runs/{run_id}")
@router.get("/threads/{thread_id}/runs/{run_id}")
async def get(run_id: str, services: ServicesDep, caller: CallerDep, thread_id: str | None = None) -> RunView:
    """One run."""
    return RunView.of(await services.runner.repository.find(run_id, caller, thread_id=thread_id))


@router.get("/runs/{run_id}/wait")
@router.get("/threads/{thread_id}/runs/{run_id}/join")
async def join(
    run_id: str,
    services: ServicesDep,
    caller: CallerDep,
    thread_id: str | None = None,
    cancel_on_disconnect: bool = False,
) -> JSONResponse:
    """Wait for a run that someone else started; leaving does not end it unless that is asked for."""
    await services.runner.repository.find(run_id, caller, thread_id=thread_id)
    ended = False
    try:
        row = await services.runner.wait(run_id)
        ended = True
    finally:
        if not ended and cancel_on_disconnect:
            services.runner.request_cancel(run_id)
    return await _ending(services, row)


@router.get("/runs/{run_id}/stream")
@router.get("/threads/{thread_id}/runs/{run_id}/stream")
async def rejoin(
    run_id: str,
    services: ServicesDep,
    caller: CallerDep,
    thread_id: str | None = None,
    stream_mode: Modes = None,
    cancel_on_disconnect: bool = False,
    last_event_id: LastEventId = None,
) -> RunEventsResponse:
    """What the run tells after the last event seen, from the past and as it comes, in the modes that it was
    started with or some of them."""
    row = await services.runner.repository.find(run_id, caller, thread_id=thread_id)
    told: list[StreamMode] = row.request.get("options", {}).get("modes", [])
    asked = [mode for mode in stream_mode or () if mode]
    untold = sorted(set(asked) - set(told))
    if untold:
        why = f"the run was not started with {untold[0]}, but with {', '.join(told) or 'no stream mode'}"
        raise BadRequest(why, param="stream_mode", source="api", code="mode_not_recorded")
    on_disconnect = (lambda: services.runner.cancel(run_id)) if cancel_on_disconnect else None
    return RunEventsResponse(
        services.runner.follow(run_id, last_event_id),
        row=row,
        modes=tuple(asked or told),
        on_disconnect=on_disconnect,
    )


@router.post("/runs/{run_id}/cancel")
@router.post("/threads/{thread_id}/runs/{run_id}/cancel")
async def cancel(
    run_id: str,
    services: ServicesDep,
    caller: CallerDep,
    thread_id: str | None = None,
    wait: bool = True,
    action: Action = "interrupt",
) -> RunView:
    """End the run and the model call behind it; with `wait` the answer comes when that is done. `rollback`
    also undoes it: the run is deleted, and its thread is as it was before."""
    row = await services.runner.repository.find(run_id, caller, thread_id=thread_id)
    return RunView.of(await _end(services, row, action, wait=wait))


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


async def _end(services: Services, row: RunRow, action: Action, *, wait: bool) -> RunRow:
    if action == "rollback":
        return await services.runner.roll_back(row.run_id)
    if wait:
        return await services.runner.cancel(row.run_id)
    services.runner.request_cancel(row.run_id)
    return row


async def _ending(services: Services, row: RunRow) -> JSONResponse:
    """The thread's values and the run's last event. Raises the run's error when it gave no answer."""
    ending = row.ending or {}
    if row.status in ERROR_STATUS:
        raise from_envelope(ERROR_STATUS[row.status], {"error": ending.get("error", {})}, source="api")
    values = await services.runner.values(row)
    return JSONResponse({**values, "values": values, "run": RunView.of(row).model_dump(), "ending": ending})


def _shown(row: RunRow, select: Select) -> JsonObject:
    return selected(RunView.of(row), select)
