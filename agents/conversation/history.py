"""What threads remember, read and moved as a whole. It runs no agent and owns no row about the thread."""

from typing import Any

from agents.conversation.checkpointer import Memory

SHOWN = ("messages", "answer", "cited", "sources", "route", "model", "language", "degraded", "summary")


async def values(memory: Memory, thread_id: str) -> dict[str, Any]:
    """The conversation and its last turn; empty for a thread that has not run."""
    held = await memory.threads.aget_tuple(_config(thread_id))
    return _shown(held.checkpoint["channel_values"]) if held else {}


async def history(
    memory: Memory, thread_id: str, *, limit: int, before: str | None = None
) -> list[dict[str, Any]]:
    """Checkpoints, newest first; `before` is the id of one."""
    earlier = _config(thread_id, before) if before else None
    return [
        {
            "checkpoint": {"thread_id": thread_id, "checkpoint_id": held.checkpoint["id"]},
            "created_at": held.checkpoint["ts"],
            "values": _shown(held.checkpoint["channel_values"]),
            "metadata": dict(held.metadata),
        }
        async for held in memory.threads.alist(_config(thread_id), limit=limit, before=earlier)
    ]


async def copy(memory: Memory, source: str, target: str) -> None:
    """Every checkpoint of `source`, oldest first, written again for `target`."""
    held = [one async for one in memory.threads.alist(_config(source))]
    for one in reversed(held):
        parent = one.parent_config.get("configurable", {}) if one.parent_config else {}
        config = _config(target, parent.get("checkpoint_id"))
        config["configurable"]["checkpoint_ns"] = ""
        versions = one.checkpoint["channel_versions"]
        kept = await memory.threads.aput(config, one.checkpoint, one.metadata, versions)
        for task, channel, value in one.pending_writes or []:
            await memory.threads.aput_writes(kept, [(channel, value)], task)


async def forget(memory: Memory, thread_id: str) -> None:
    await memory.threads.adelete_thread(thread_id)


def _config(thread_id: str, checkpoint: str | None = None) -> Any:
    inside = {"thread_id": thread_id}
    if checkpoint is not None:
        inside["checkpoint_id"] = checkpoint
    return {"configurable": inside}


def _shown(channels: dict[str, Any]) -> dict[str, Any]:
    return {name: channels[name] for name in SHOWN if name in channels}
