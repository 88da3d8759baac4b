"""The checkpoints of a thread: its state, its history, copies, deletion. It runs no agent and owns no row
about the thread.
"""

from collections.abc import Collection

from langchain_core.runnables import RunnableConfig

from agents.conversation.persistence import Persistence
from tools.schema import JsonObject

SHOWN = ("messages", "answer", "cited", "sources", "route", "model", "language", "degraded", "summary")


async def values(persistence: Persistence, thread_id: str) -> JsonObject:
    """The conversation and its last turn (the fields of `SHOWN`); empty for a thread that has not run."""
    saved = await persistence.checkpointer.aget_tuple(_config(thread_id))
    return _shown(saved.checkpoint["channel_values"]) if saved else {}


async def history(
    persistence: Persistence, thread_id: str, *, limit: int, before: str | None = None
) -> list[JsonObject]:
    """At most `limit` checkpoints before that with id `before`, newest first:
    `{checkpoint: {thread_id, checkpoint_id}, created_at, values, metadata}` each."""
    earlier = _config(thread_id, before) if before else None
    return [
        {
            "checkpoint": {"thread_id": thread_id, "checkpoint_id": saved.checkpoint["id"]},
            "created_at": saved.checkpoint["ts"],
            "values": _shown(saved.checkpoint["channel_values"]),
            "metadata": dict(saved.metadata),
        }
        async for saved in persistence.checkpointer.alist(_config(thread_id), limit=limit, before=earlier)
    ]


async def copy(
    persistence: Persistence, source: str, target: str, *, runs: Collection[str] | None = None
) -> None:
    """Every checkpoint of `source`, oldest first, written again for `target`; with `runs` those of these
    runs alone."""
    checkpoints = [one async for one in persistence.checkpointer.alist(_config(source))]
    for one in reversed(checkpoints):
        if runs is not None and one.metadata.get("run_id") not in runs:
            continue
        parent = one.parent_config.get("configurable", {}) if one.parent_config else {}
        config = _config(target, parent.get("checkpoint_id"), checkpoint_ns="")
        versions = one.checkpoint["channel_versions"]
        written = await persistence.checkpointer.aput(config, one.checkpoint, one.metadata, versions)
        for task, channel, value in one.pending_writes or []:
            await persistence.checkpointer.aput_writes(written, [(channel, value)], task)


async def delete(persistence: Persistence, thread_id: str) -> None:
    """Every checkpoint of a thread."""
    await persistence.checkpointer.adelete_thread(thread_id)


def _config(thread_id: str, checkpoint: str | None = None, **more: str) -> RunnableConfig:
    configurable = {"thread_id": thread_id, **more}
    if checkpoint is not None:
        configurable["checkpoint_id"] = checkpoint
    return {"configurable": configurable}


def _shown(channels: JsonObject) -> JsonObject:
    return {name: channels[name] for name in SHOWN if name in channels}
