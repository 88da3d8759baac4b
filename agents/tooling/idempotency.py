"""Idempotency of tool calls: one that changes something is made at most once, however often its run resumes.

The key is (thread, run, step, call). A call is written down before it is made and again when it is done;
one that was begun and never finished is not repeated, because nobody knows whether it happened.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from langgraph.store.base import BaseStore

from agents.conversation.ownership import effects_label
from tools.errors import Conflict

NAMESPACE = "_effects"


async def once(store: BaseStore, thread_id: str, key: str, act: Callable[[], Awaitable[Any]]) -> Any:
    """What `act` gave (JSON), now or the first time. Raises `Conflict` when an earlier start was cut off."""
    namespace = (NAMESPACE, effects_label(thread_id))
    record = await store.aget(namespace, key)
    if record is not None:
        if record.value["state"] == "done":
            return record.value["answer"]
        message = "this call was begun before the run was cut off; it is not made twice"
        raise Conflict(message, source="agent", code="effect_unknown")
    await store.aput(namespace, key, {"state": "begun"}, index=False)
    answer = await act()
    await store.aput(namespace, key, {"state": "done", "answer": answer}, index=False)
    return answer
