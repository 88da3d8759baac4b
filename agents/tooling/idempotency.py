"""The book of effects: a call that changes something is done at most once, however often its run is resumed.

The key is (thread, run, step, call). A call is written down before it is made and again when it is done;
one that was begun and never finished is not repeated, because nobody knows whether it happened.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from langgraph.store.base import BaseStore

from tools.errors import Conflict

SHELF = "_effects"


async def once(store: BaseStore, thread_id: str, key: str, act: Callable[[], Awaitable[Any]]) -> Any:
    """What `act` gives, or gave the first time. Raises `Conflict` when an earlier start was cut off."""
    place = (SHELF, thread_id)
    page = await store.aget(place, key)
    if page is not None:
        if page.value["state"] == "done":
            return page.value["answer"]
        message = "this call was begun before the run was cut off; it is not made twice"
        raise Conflict(message, source="agent", code="effect_unknown")
    await store.aput(place, key, {"state": "begun"}, index=False)
    answer = await act()
    await store.aput(place, key, {"state": "done", "answer": answer}, index=False)
    return answer
