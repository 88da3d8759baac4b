"""The Agent Protocol's threads over HTTP: create, read, change, delete, search, count, turns, copy."""

import asyncio

from fastapi import APIRouter, Response

from agents.conversation.ownership import thread_id_of
from servers.api.http.dependencies import CallerDep, Limit, ServicesDep
from servers.api.http.protocol.schemas import (
    FoundThread,
    Prune,
    ThreadCopy,
    ThreadCreate,
    ThreadFilter,
    ThreadFind,
    ThreadPatch,
    ThreadSearch,
    ThreadView,
    minutes_of,
    selected,
)
from servers.api.runs.tables import ThreadRow
from servers.api.runs.text_search import find_text
from servers.api.services import Services
from tools.errors import Conflict
from tools.schema import JsonObject, Turn

router = APIRouter(prefix="/threads", tags=["threads"])
STATE_FIELDS = {"values", "interrupts", "messages", "state_updated_at"}
"""Fields of a thread that its checkpoints hold."""


@router.post("")
async def create(services: ServicesDep, caller: CallerDep, body: ThreadCreate | None = None) -> ThreadView:
    """Create a thread."""
    body = body or ThreadCreate()
    row = await services.threads.create(
        body.thread_id, caller, body.metadata, if_exists=body.if_exists, ttl_minutes=minutes_of(body.ttl)
    )
    return await _view(services, row)


@router.post("/search")
async def search(
    services: ServicesDep, caller: CallerDep, body: ThreadSearch | None = None
) -> list[JsonObject]:
    """Threads by id, metadata, status and values, newest first."""
    body = body or ThreadSearch()
    query = body.query(sort_by=body.sort_by, descending=body.sort_order == "desc")
    rows = (await services.threads.search(caller, query))[body.offset : body.offset + body.limit]
    if body.select is not None and not STATE_FIELDS & {name.partition(".")[0] for name in body.select}:
        return [selected(ThreadView.of(row), body.select) for row in rows]
    views = await asyncio.gather(*(_view(services, row) for row in rows))
    return [selected(view, body.select) for view in views]


@router.post("/count")
async def count(services: ServicesDep, caller: CallerDep, body: ThreadFilter | None = None) -> int:
    """How many threads there are of these."""
    return len(await services.threads.search(caller, (body or ThreadFilter()).query()))


@router.post("/prune")
async def prune(body: Prune, services: ServicesDep, caller: CallerDep) -> dict[str, int]:
    """Delete several threads; one that is busy or not there refuses all."""
    rows = [await services.threads.get(thread_id, caller) for thread_id in set(body.thread_ids)]
    for row in rows:
        refuse_busy(services, row)
    for row in rows:
        await services.threads.delete(row.thread_id)
    return {"pruned_count": len(rows)}


@router.post("/find")
async def find(body: ThreadFind, services: ServicesDep, caller: CallerDep) -> list[FoundThread]:
    """Threads in which all words of a text were asked or answered, newest first."""
    found = await find_text(services.threads.engine, caller, body.text, limit=body.limit)
    return [FoundThread(thread_id=thread_id, excerpt=excerpt) for thread_id, excerpt in found]


@router.get("/{thread_id}")
async def get(thread_id: str, services: ServicesDep, caller: CallerDep) -> ThreadView:
    """One thread with its conversation."""
    return await _view(services, await services.threads.get(thread_id, caller))


@router.patch("/{thread_id}")
async def patch(thread_id: str, body: ThreadPatch, services: ServicesDep, caller: CallerDep) -> ThreadView:
    """Merge metadata into a thread's own, and values into its state."""
    ttl = minutes_of(body.ttl)
    row = await services.threads.patch(thread_id, caller, metadata=body.metadata, ttl_minutes=ttl)
    if body.written is not None:
        refuse_busy(services, row)
        at = body.checkpoint.checkpoint_id if body.checkpoint else None
        await services.states.update(row, body.written, checkpoint_id=at)
    return await _view(services, row)


@router.delete("/{thread_id}", status_code=204)
async def delete(thread_id: str, services: ServicesDep, caller: CallerDep) -> Response:
    """Delete a thread, its runs and its conversation."""
    row = await services.threads.get(thread_id, caller)
    refuse_busy(services, row)
    await services.threads.delete(row.thread_id)
    return Response(status_code=204)


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
) -> ThreadView:
    """A new thread with the same conversation, up to the run `before` if that is given; independent from
    then on."""
    source = await services.threads.get(thread_id, caller)
    refuse_busy(services, source)
    return await _view(
        services, await services.threads.copy(source, caller, before=body.before if body else None)
    )


def refuse_busy(services: Services, thread: ThreadRow) -> None:
    """Raises `Conflict` while the thread has a run that has not ended."""
    if services.runner.is_busy(thread.thread_id):
        message = f"thread {thread_id_of(thread.thread_id)} has a run that has not ended"
        raise Conflict(message, param="thread_id", source="api", code="thread_busy")


async def _view(services: Services, row: ThreadRow) -> ThreadView:
    return ThreadView.of(row, await services.states.get(row))
