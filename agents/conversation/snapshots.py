"""The states of a thread as LangGraph tells them: values, what comes next, tasks and interrupts; and how they
are changed by hand.

It runs no agent and owns no row about the thread.
"""

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import InvalidUpdateError
from langgraph.types import PregelTask, StateSnapshot

from agents.conversation.ownership import thread_id_of
from agents.conversation.shown_state import plain, shown_values
from agents.graph_steps import Graph
from tools.errors import BadRequest, NotFound
from tools.schema import JsonObject


async def state(graph: Graph, thread: str, *, checkpoint_id: str | None = None) -> JsonObject:
    """The state at a checkpoint, the newest without one; `thread` is the thread's key. Raises `NotFound`."""
    snapshot = await graph.aget_state(_config(thread, checkpoint_id))
    if checkpoint_id is not None and snapshot.created_at is None:
        raise NotFound(f"there is no checkpoint {checkpoint_id!r}", param="checkpoint_id", source="api")
    return _shown(snapshot, thread)


async def history(
    graph: Graph,
    thread: str,
    *,
    limit: int,
    before: str | None = None,
    checkpoint_id: str | None = None,
    metadata: JsonObject | None = None,
) -> list[JsonObject]:
    """At most `limit` states before the checkpoint `before`, newest first; those whose checkpoint's metadata
    hold `metadata`, from `checkpoint_id` on."""
    earlier = _config(thread, before) if before else None
    states = graph.aget_state_history(
        _config(thread, checkpoint_id), filter=metadata or None, before=earlier, limit=limit
    )
    return [_shown(snapshot, thread) async for snapshot in states]


async def update(
    graph: Graph,
    thread: str,
    values: JsonObject | None,
    *,
    as_node: str | None = None,
    checkpoint_id: str | None = None,
) -> JsonObject:
    """Write `values` as if the node `as_node` had, on top of a checkpoint; the new checkpoint's name.

    Raises `BadRequest` for a node that there is not, and `NotFound` for a checkpoint.
    """
    if checkpoint_id is not None:
        await state(graph, thread, checkpoint_id=checkpoint_id)
    try:
        written = await graph.aupdate_state(_config(thread, checkpoint_id), values, as_node)
    except InvalidUpdateError as exc:
        nodes = ", ".join(name for name in graph.nodes if not name.startswith("__"))
        why = f"{exc}; as_node is one of {nodes}"
        raise BadRequest(why, param="as_node", source="api", code="invalid_update") from exc
    return _checkpoint(written, thread)


async def roll_back(graph: Graph, thread: str, run_id: str) -> bool:
    """The state from before a run is the newest again; False when there was none."""
    async for snapshot in graph.aget_state_history(_config(thread)):
        if (snapshot.metadata or {}).get("run_id") != run_id:
            await graph.aupdate_state(snapshot.config, None, "__copy__")
            return True
    return False


def _shown(snapshot: StateSnapshot, thread: str) -> JsonObject:
    metadata = {**(snapshot.metadata or {})}
    if "thread_id" in metadata:
        metadata["thread_id"] = thread_id_of(thread)
    return {
        "values": shown_values(snapshot.values, asking=bool(snapshot.interrupts)),
        "next": list(snapshot.next),
        "checkpoint": _checkpoint(snapshot.config, thread),
        "metadata": plain(metadata),
        "created_at": snapshot.created_at,
        "parent_checkpoint": _checkpoint(snapshot.parent_config, thread) if snapshot.parent_config else None,
        "tasks": [_task(task) for task in snapshot.tasks],
        "interrupts": plain(list(snapshot.interrupts)),
    }


def _task(task: PregelTask) -> JsonObject:
    return {
        "id": task.id,
        "name": task.name,
        "path": plain(task.path),
        "error": None if task.error is None else str(task.error),
        "interrupts": plain(list(task.interrupts)),
        "checkpoint": None,
        "state": None,
        "result": plain(task.result),
    }


def _checkpoint(config: RunnableConfig, thread: str) -> JsonObject:
    held: dict[str, Any] = config.get("configurable", {})
    return {
        "thread_id": thread_id_of(thread),
        "checkpoint_ns": held.get("checkpoint_ns", ""),
        "checkpoint_id": held.get("checkpoint_id"),
        "checkpoint_map": None,
    }


def _config(thread: str, checkpoint: str | None = None) -> RunnableConfig:
    configurable = {"thread_id": thread}
    if checkpoint is not None:
        configurable["checkpoint_id"] = checkpoint
    return {"configurable": configurable}
