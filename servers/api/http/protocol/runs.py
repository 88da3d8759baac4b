"""Runs over HTTP: on a thread or without one; in the background, awaited or streamed; rejoined; cancelled."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse

from agents.registry import find_agent
from servers.api.http.dependencies import AtDesk
from servers.api.http.protocol.schemas import RunRequest, show_run
from servers.api.http.run_events import Feed
from servers.api.runs.tables import RunRow
from servers.api.services import Desk
from tools.errors import Conflict, from_envelope

router = APIRouter(tags=["runs"])
LastSeen = Annotated[str | None, Header(alias="last-event-id", max_length=64)]
STATUS = {"error": 500, "timeout": 504, "cancelled": 499}


@router.post("/runs", status_code=202)
@router.post("/threads/{thread_id}/runs", status_code=202)
async def create(asked: RunRequest, desk: AtDesk, thread_id: str | None = None) -> dict[str, Any]:
    """Accept a run and answer at once; it goes on whoever leaves."""
    return show_run(await _start(desk, asked, thread_id))


@router.post("/runs/wait")
@router.post("/threads/{thread_id}/runs/wait")
async def wait(asked: RunRequest, desk: AtDesk, thread_id: str | None = None) -> JSONResponse:
    """Run and answer with how it ended; a caller that leaves ends the run unless it asked otherwise."""
    row = await _start_attached(desk, asked, thread_id)
    ended = False
    try:
        row = await desk.runs.wait(row.run_id)
        ended = True
    finally:
        if not ended and asked.on_disconnect == "cancel":
            desk.runs.stop(row.run_id)
    return _ending(row, await desk.threads.values(row.thread_id))


@router.post("/runs/stream")
@router.post("/threads/{thread_id}/runs/stream")
async def stream(asked: RunRequest, desk: AtDesk, thread_id: str | None = None) -> StreamingResponse:
    """Run and tell its events; a reader that leaves ends the run unless it asked otherwise."""
    row = await _start_attached(desk, asked, thread_id)
    left = (lambda: desk.runs.cancel(row.run_id)) if asked.on_disconnect == "cancel" else None
    return Feed(desk.runs.follow(row.run_id), run_id=row.run_id, left=left)


@router.get("/threads/{thread_id}/runs")
async def list_runs(
    thread_id: str,
    desk: AtDesk,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 10,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    status: str | None = None,
) -> list[dict[str, Any]]:
    await desk.threads.get(thread_id)
    rows = await desk.runs.ledger.runs(thread_id=thread_id, status=status, limit=limit, offset=offset)
    return [show_run(row) for row in rows]


@router.get("/runs/{run_id}")
@router.get("/threads/{thread_id}/runs/{run_id}")
async def get(run_id: str, desk: AtDesk, thread_id: str | None = None) -> dict[str, Any]:
    return show_run(await desk.runs.ledger.run(run_id, thread_id=thread_id))


@router.get("/runs/{run_id}/wait")
@router.get("/threads/{thread_id}/runs/{run_id}/join")
async def join(run_id: str, desk: AtDesk, thread_id: str | None = None) -> JSONResponse:
    """Wait for a run that someone else started; leaving does not end it."""
    await desk.runs.ledger.run(run_id, thread_id=thread_id)
    row = await desk.runs.wait(run_id)
    return _ending(row, await desk.threads.values(row.thread_id))


@router.get("/runs/{run_id}/stream")
@router.get("/threads/{thread_id}/runs/{run_id}/stream")
async def rejoin(
    run_id: str, desk: AtDesk, thread_id: str | None = None, last_event_id: LastSeen = None
) -> StreamingResponse:
    """The run's events after the last one seen, from the past and as they come."""
    await desk.runs.ledger.run(run_id, thread_id=thread_id)
    return Feed(desk.runs.follow(run_id, last_event_id), run_id=run_id)


@router.post("/runs/{run_id}/cancel")
@router.post("/threads/{thread_id}/runs/{run_id}/cancel")
async def cancel(
    run_id: str, desk: AtDesk, thread_id: str | None = None, wait: bool = True
) -> dict[str, Any]:
    """End the run and the model call behind it; with `wait` the answer comes when that is done."""
    row = await desk.runs.ledger.run(run_id, thread_id=thread_id)
    if wait:
        row = await desk.runs.cancel(run_id)
    else:
        desk.runs.stop(run_id)
    return show_run(row)


@router.delete("/runs/{run_id}", status_code=204)
@router.delete("/threads/{thread_id}/runs/{run_id}", status_code=204)
async def delete(run_id: str, desk: AtDesk, thread_id: str | None = None) -> Response:
    row = await desk.runs.ledger.run(run_id, thread_id=thread_id)
    if row.run_id in desk.runs.live:
        raise Conflict("the run has not ended; cancel it first", param="run_id", source="api")
    await desk.runs.ledger.delete(run_id)
    return Response(status_code=204)


async def _start_attached(desk: Desk, asked: RunRequest, thread_id: str | None) -> RunRow:
    """Start a run whose caller stays; one who is gone before it is accepted leaves nothing running."""
    starting = asyncio.ensure_future(_start(desk, asked, thread_id))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait({starting})
        if asked.on_disconnect == "cancel" and not starting.cancelled() and starting.exception() is None:
            desk.runs.stop(starting.result().run_id)
        raise


async def _start(desk: Desk, asked: RunRequest, thread_id: str | None) -> RunRow:
    find_agent(asked.agent_id)
    row = asked.row(thread_id, desk.settings.limits)
    if thread_id is not None:
        if asked.if_not_exists == "create":
            await desk.threads.create(thread_id, {}, exists="do_nothing")
        await desk.threads.get(thread_id)
    if asked.command is not None:
        row.order = {**await _waiting(desk, row.thread_id), **row.order}
    await desk.runs.start(row, asked.strategy)
    return row


async def _waiting(desk: Desk, thread_id: str) -> dict[str, Any]:
    """What the run that waits for a person was given: its resumption keeps the same grants."""
    rows = await desk.runs.ledger.runs(thread_id=thread_id, limit=1)
    if not rows or rows[0].status != "interrupted":
        raise Conflict("no run of this thread waits for a command", param="command", source="api")
    return {"wishes": rows[0].order.get("wishes", {})}


def _ending(row: RunRow, values: dict[str, Any]) -> JSONResponse:
    """The thread's values and the run's last event; a run without an answer is an error."""
    ending = row.ending or {}
    if row.status in STATUS:
        exc = from_envelope(STATUS[row.status], {"error": ending.get("error", {})}, source="api")
        raise exc
    return JSONResponse({**values, "run": show_run(row), "ending": ending})
