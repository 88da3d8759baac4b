"""The checkpoints of a thread: its newest values, copies, deletion. It runs no agent and owns no row about
the thread; its states are `snapshots`'s.
"""

from collections.abc import Collection

from langchain_core.runnables import RunnableConfig

from agents.conversation.persistence import Persistence
from agents.conversation.shown_state import shown_values
from tools.schema import JsonObject


async def values(persistence: Persistence, thread_id: str) -> JsonObject:
    """The conversation and its last turn, as it is shown; empty for a thread that has not run."""
    saved = await persistence.checkpointer.aget_tuple(_config(thread_id))
    return shown_values(saved.checkpoint["channel_values"]) if saved else {}


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
