"""The Agent Protocol's threads over HTTP: create, read, change, delete, search, history, copy."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from servers.api.http.dependencies import ServicesDep
from servers.api.http.protocol.schemas import (
    HistorySearch,
    ThreadCreate,
    ThreadPatch,
    ThreadSearch,
    ThreadValuesView,
    ThreadView,
)
from servers.api.services import Services
from tools.errors import Conflict
from tools.schema import JsonObject

router = APIRouter(prefix="/threads", tags=["threads"])


@router.post("")
async def create(services: ServicesDep, body: ThreadCreate | None = None) -> ThreadValuesView:
    """Create a thread."""
    body = body or ThreadCreate()
    row = await services.threads.create(body.thread_id, body.metadata, if_exists=body.if_exists)
    return ThreadValuesView.with_values(row, {})


@router.post("/search")
async def search(services: ServicesDep, body: ThreadSearch | None = None) -> list[ThreadView]:
    """Threads by metadata and status, newest first."""
    body = body or ThreadSearch()
    rows = await services.threads.search(
        metadata=body.metadata, status=body.status, limit=body.limit, offset=body.offset
    )
    return [ThreadView.of(row) for row in rows]


@router.get("/{thread_id}")
async def get(thread_id: str, services: ServicesDep) -> ThreadValuesView:
    """One thread with its conversation."""
    row = await services.threads.get(thread_id)
    return ThreadValuesView.with_values(row, await services.threads.values(thread_id))


@router.patch("/{thread_id}")
async def patch(thread_id: str, body: ThreadPatch, services: ServicesDep) -> ThreadView:
    """Merge metadata into a thread's own."""
    return ThreadView.of(await services.threads.patch(thread_id, metadata=body.metadata))


@router.delete("/{thread_id}", status_code=204)
async def delete(thread_id: str, services: ServicesDep) -> Response:
    """Delete a thread, its runs and its conversation."""
    await services.threads.get(thread_id)
    _refuse_busy(services, thread_id)
    await services.threads.delete(thread_id)
    return Response(status_code=204)


@router.get("/{thread_id}/state")
async def state(thread_id: str, services: ServicesDep) -> JsonObject:
    """The newest checkpoint."""
    found = await services.threads.history(thread_id, limit=1, before=None)
    return found[0] if found else {"values": {}, "checkpoint": None, "created_at": None, "metadata": {}}


@router.get("/{thread_id}/history")
async def history(
    thread_id: str,
    services: ServicesDep,
    limit: int = 10,
    before: Annotated[str | None, Query(max_length=128)] = None,
) -> list[JsonObject]:
    """Checkpoints, newest first."""
    page = HistorySearch(limit=max(1, min(limit, 1_000)), before=before)
    return await services.threads.history(thread_id, limit=page.limit, before=page.before)


@router.post("/{thread_id}/history")
async def search_history(
    thread_id: str, services: ServicesDep, body: HistorySearch | None = None
) -> list[JsonObject]:
    """Checkpoints, newest first."""
    body = body or HistorySearch()
    return await services.threads.history(thread_id, limit=body.limit, before=body.before)


@router.post("/{thread_id}/copy")
async def copy(thread_id: str, services: ServicesDep) -> ThreadValuesView:
    """A new thread with the same conversation, independent from then on."""
    _refuse_busy(services, thread_id)
    row = await services.threads.copy(thread_id)
    return ThreadValuesView.with_values(row, await services.threads.values(row.thread_id))


def _refuse_busy(services: Services, thread_id: str) -> None:
    if services.runner.is_busy(thread_id):
        message = f"thread {thread_id} has a run that has not ended"
        raise Conflict(message, param="thread_id", source="api", code="thread_busy")
