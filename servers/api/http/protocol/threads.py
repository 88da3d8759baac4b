"""Threads over HTTP: create, read, change, delete, search, history, copy."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from servers.api.http.dependencies import AtDesk
from servers.api.http.protocol.schemas import (
    HistorySearch,
    ThreadCreate,
    ThreadPatch,
    ThreadSearch,
    show_thread,
)
from servers.api.services import Desk
from tools.errors import Conflict

router = APIRouter(prefix="/threads", tags=["threads"])


@router.post("")
async def create(desk: AtDesk, asked: ThreadCreate | None = None) -> dict[str, Any]:
    asked = asked or ThreadCreate()
    row = await desk.threads.create(asked.thread_id, asked.metadata, exists=asked.if_exists)
    return show_thread(row, {})


@router.post("/search")
async def search(desk: AtDesk, asked: ThreadSearch | None = None) -> list[dict[str, Any]]:
    asked = asked or ThreadSearch()
    rows = await desk.threads.search(
        info=asked.metadata, status=asked.status, limit=asked.limit, offset=asked.offset
    )
    return [show_thread(row) for row in rows]


@router.get("/{thread_id}")
async def get(thread_id: str, desk: AtDesk) -> dict[str, Any]:
    row = await desk.threads.get(thread_id)
    return show_thread(row, await desk.threads.values(thread_id))


@router.patch("/{thread_id}")
async def patch(thread_id: str, asked: ThreadPatch, desk: AtDesk) -> dict[str, Any]:
    return show_thread(await desk.threads.patch(thread_id, info=asked.metadata))


@router.delete("/{thread_id}", status_code=204)
async def delete(thread_id: str, desk: AtDesk) -> Response:
    await desk.threads.get(thread_id)
    _free(desk, thread_id)
    await desk.threads.delete(thread_id)
    return Response(status_code=204)


@router.get("/{thread_id}/state")
async def state(thread_id: str, desk: AtDesk) -> dict[str, Any]:
    found = await desk.threads.history(thread_id, limit=1, before=None)
    return found[0] if found else {"values": {}, "checkpoint": None, "created_at": None, "metadata": {}}


@router.get("/{thread_id}/history")
async def history(
    thread_id: str,
    desk: AtDesk,
    limit: int = 10,
    before: Annotated[str | None, Query(max_length=128)] = None,
) -> list[dict[str, Any]]:
    asked = HistorySearch(limit=max(1, min(limit, 1_000)), before=before)
    return await desk.threads.history(thread_id, limit=asked.limit, before=asked.before)


@router.post("/{thread_id}/history")
async def search_history(
    thread_id: str, desk: AtDesk, asked: HistorySearch | None = None
) -> list[dict[str, Any]]:
    asked = asked or HistorySearch()
    return await desk.threads.history(thread_id, limit=asked.limit, before=asked.before)


@router.post("/{thread_id}/copy")
async def copy(thread_id: str, desk: AtDesk) -> dict[str, Any]:
    _free(desk, thread_id)
    row = await desk.threads.copy(thread_id)
    return show_thread(row, await desk.threads.values(row.thread_id))


def _free(desk: Desk, thread_id: str) -> None:
    if desk.runs.is_busy(thread_id):
        message = f"thread {thread_id} has a run that has not ended"
        raise Conflict(message, param="thread_id", source="api", code="thread_busy")
