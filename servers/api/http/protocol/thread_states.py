"""The states of threads over HTTP, as LangGraph's API has them: the newest, at a checkpoint, all before one,
and changed by hand."""

from typing import Annotated

from fastapi import APIRouter, Query

from servers.api.http.dependencies import CallerDep, ServicesDep
from servers.api.http.protocol.schemas import HistorySearch, Select, StateRead, StateUpdate, selected
from servers.api.http.protocol.threads import refuse_busy
from servers.api.services import Services
from tools.access.identity import Principal
from tools.errors import BadRequest
from tools.schema import JsonObject

router = APIRouter(prefix="/threads/{thread_id}", tags=["threads"])
Selected = Annotated[list[str] | None, Query(max_length=64)]
CheckpointQuery = Annotated[str | None, Query(max_length=128, pattern=r"^[A-Za-z0-9_.:-]+$")]


@router.get("/state")
async def newest(
    thread_id: str, services: ServicesDep, caller: CallerDep, subgraphs: bool = False, select: Selected = None
) -> JsonObject:
    """The newest state: values, the nodes that come next, tasks, interrupts."""
    return await _state(services, caller, thread_id, None, select)


@router.get("/state/{checkpoint_id}")
async def at_checkpoint(
    thread_id: str,
    checkpoint_id: str,
    services: ServicesDep,
    caller: CallerDep,
    subgraphs: bool = False,
    select: Selected = None,
) -> JsonObject:
    """The state at a checkpoint."""
    return await _state(services, caller, thread_id, checkpoint_id, select)


@router.post("/state/checkpoint")
async def at(thread_id: str, body: StateRead, services: ServicesDep, caller: CallerDep) -> JsonObject:
    """The state at a checkpoint, or the newest when it names none."""
    _same_thread(body.checkpoint.thread_id, thread_id)
    return await _state(services, caller, thread_id, body.checkpoint.checkpoint_id, body.select)


@router.post("/state")
async def update(thread_id: str, body: StateUpdate, services: ServicesDep, caller: CallerDep) -> JsonObject:
    """Write values by hand: messages whose ids are known are replaced, others added."""
    _same_thread(body.checkpoint.thread_id if body.checkpoint else None, thread_id)
    thread = await services.threads.get(thread_id, caller)
    refuse_busy(services, thread)
    checkpoint = await services.states.update(
        thread, body.values, as_node=body.as_node, checkpoint_id=body.at
    )
    return {"checkpoint": checkpoint, "configurable": checkpoint}


@router.get("/history")
async def history(
    thread_id: str,
    services: ServicesDep,
    caller: CallerDep,
    limit: int = 10,
    before: CheckpointQuery = None,
) -> list[JsonObject]:
    """States, newest first."""
    return await _history(
        services, caller, thread_id, HistorySearch(limit=max(1, min(limit, 1_000)), before=before)
    )


@router.post("/history")
async def search_history(
    thread_id: str, services: ServicesDep, caller: CallerDep, body: HistorySearch | None = None
) -> list[JsonObject]:
    """States, newest first."""
    return await _history(services, caller, thread_id, body or HistorySearch())


async def _state(
    services: Services, caller: Principal, thread_id: str, checkpoint_id: str | None, select: Select
) -> JsonObject:
    thread = await services.threads.get(thread_id, caller)
    return selected(await services.states.get(thread, checkpoint_id=checkpoint_id), select)


async def _history(
    services: Services, caller: Principal, thread_id: str, page: HistorySearch
) -> list[JsonObject]:
    thread = await services.threads.get(thread_id, caller)
    return await services.states.history(
        thread,
        limit=page.limit,
        before=page.earlier_than,
        checkpoint_id=page.checkpoint.checkpoint_id if page.checkpoint else None,
        metadata=page.metadata,
    )


def _same_thread(named: str | None, thread_id: str) -> None:
    if named not in (None, thread_id):
        why = "the checkpoint is of another thread"
        raise BadRequest(why, param="checkpoint.thread_id", source="api", code="invalid_value")
