"""Conversations that their owner lets others of the tenant read: nobody else's thread is there otherwise.

Who may read is in the thread's metadata, as `shared_with`: names of users, or `*` for everybody.
"""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path

from servers.api.http.dependencies import CallerDep, ServicesDep
from servers.api.http.protocol import threads
from tools.errors import NotFound
from tools.schema import JsonObject

router = APIRouter(prefix="/shared", tags=["threads"])
Name = Annotated[str, Path(max_length=128)]


@router.get("/{owner}/{thread_id}")
async def read(owner: Name, thread_id: Name, services: ServicesDep, caller: CallerDep) -> JsonObject:
    """`{title, owner, turns}` of a conversation that is shared with the caller; one that is not is not
    there."""
    as_owner = replace(caller, user=owner, platform=False)
    row = await services.threads.get(thread_id, as_owner)
    readers = row.meta.get("shared_with")
    if caller.user != owner and not _may_read(readers, caller.user):
        raise NotFound(f"there is no thread {thread_id!r}", param="thread_id", source="api")
    turns = await threads.turns(thread_id, services, as_owner, limit=1_000)
    shown = [turn.model_dump(mode="json") for turn in turns]
    return {"title": str(row.meta.get("title") or ""), "owner": owner, "turns": shown}


def _may_read(readers: object, user: str) -> bool:
    return isinstance(readers, list) and (user in readers or "*" in readers)
