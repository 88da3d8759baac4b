"""The Agent Protocol's threads over HTTP: create, read, change, delete, search, history, turns, copy."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from agents.conversation.ownership import thread_id_of
from servers.api.http.dependencies import CallerDep, Limit, ServicesDep
from servers.api.http.protocol.schemas import (
    FoundThread,
    HistorySearch,
    ThreadCopy,
    ThreadCreate,
    ThreadFind,
    ThreadPatch,
    ThreadSearch,
    ThreadValuesView,
    ThreadView,
)
from servers.api.runs.tables import ThreadRow
from servers.api.runs.text_search import find_text
from servers.api.services import Services
from tools.errors import Conflict
from tools.schema import JsonObject, Turn

router = APIRouter(prefix="/threads", tags=["threads"])


@router.post("")
async def create(
    services: ServicesDep, caller: CallerDep, body: ThreadCreate | None = None
) -> ThreadValuesView:
    """Create a thread."""
    body = body or ThreadCreate()
    row = await services.threads.create(body.thread_id, caller, body.metadata, if_exists=body.if_exists)
    return ThreadValuesView.with_values(row, {})


@router.post("/search")
async def search(
    services: ServicesDep, caller: CallerDep, body: ThreadSearch | None = None
) -> list[ThreadView]:
    """Threads by metadata and status, newest first."""
    body = body or ThreadSearch()
    rows = await services.threads.search(
        caller, metadata=body.metadata, status=body.status, limit=body.limit, offset=body.offset
    )
    return [ThreadView.of(row) for row in rows]


@router.post("/find")
async def find(body: ThreadFind, services: ServicesDep, caller: CallerDep) -> list[FoundThread]:
    """Threads in which all words of a text were asked or answered, newest first."""
    found = await find_text(services.threads.engine, caller, body.text, limit=body.limit)
    return [FoundThread(thread_id=thread_id, excerpt=excerpt) for thread_id, excerpt in found]


@router.get("/{thread_id}")
async def get(thread_id: str, services: ServicesDep, caller: CallerDep) -> ThreadValuesView:
    """One thread with its conversation."""
    row = await services.threads.get(thread_id, caller)
    return ThreadValuesView.with_values(row, await services.threads.values(row.thread_id))


@router.patch("/{thread_id}")
async def patch(thread_id: str, body: ThreadPatch, services: ServicesDep, caller: CallerDep) -> ThreadView:
    """Merge metadata into a thread's own."""
    return ThreadView.of(await services.threads.patch(thread_id, caller, metadata=body.metadata))


@router.delete("/{thread_id}", status_code=204)
async def delete(thread_id: str, services: ServicesDep, caller: CallerDep) -> Response:
    """Delete a thread, its runs and its conversation."""
    row = await services.threads.get(thread_id, caller)
    _refuse_busy(services, row)
    await services.threads.delete(row.thread_id)
    return Response(status_code=204)


@router.get("/{thread_id}/state")
async def state(thread_id: str, services: ServicesDep, caller: CallerDep) -> JsonObject:
    """The newest checkpoint."""
    found = await services.threads.history(thread_id, caller, limit=1, before=None)
    return found[0] if found else {"values": {}, "checkpoint": None, "created_at": None, "metadata": {}}


@router.get("/{thread_id}/history")
async def history(
    thread_id: str,
    services: ServicesDep,
    caller: CallerDep,
    limit: int = 10,
    before: Annotated[str | None, Query(max_length=128)] = None,
) -> list[JsonObject]:
    """Checkpoints, newest first."""
    page = HistorySearch(limit=max(1, min(limit, 1_000)), before=before)
    return await services.threads.history(thread_id, caller, limit=page.limit, before=page.before)


@router.post("/{thread_id}/history")
async def search_history(
    thread_id: str, services: ServicesDep, caller: CallerDep, body: HistorySearch | None = None
) -> list[JsonObject]:
    """Checkpoints, newest first."""
    body = body or HistorySearch()
    return await services.threads.history(thread_id, caller, limit=body.limit, before=body.before)


@router.get("/{thread_id}/turns")
async def turns(thread_id: str, services: ServicesDep, caller: CallerDep, limit: Limit = 200) -> list[Turn]:
    """The newest `limit` questions with what became of them, oldest first: also those that go on, were
    stopped or failed."""
    thread = await services.threads.get(thread_id, caller)
    rows = await services.runner.repository.search(thread_id=thread.thread_id, limit=limit)
    return [services.runner.turn(row) for row in reversed(rows)]


@router.post("/{thread_id}/copy")
async def copy(
    thread_id: str, services: ServicesDep, caller: CallerDep, body: ThreadCopy | None = None
) -> ThreadValuesView:
    """A new thread with the same conversation, up to the run `before` if that is given; independent from
    then on."""
    source = await services.threads.get(thread_id, caller)
    _refuse_busy(services, source)
    row = await services.threads.copy(source, caller, before=body.before if body else None)
    return ThreadValuesView.with_values(row, await services.threads.values(row.thread_id))


def _refuse_busy(services: Services, thread: ThreadRow) -> None:
    if services.runner.is_busy(thread.thread_id):
        message = f"thread {thread_id_of(thread.thread_id)} has a run that has not ended"
        raise Conflict(message, param="thread_id", source="api", code="thread_busy")
