"""A run in progress: its events so far and the subscribers that follow them (publish/subscribe in memory).

It executes nothing (`runner.py`) and stores nothing (`repository.py`).
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, NamedTuple

from servers.api.runs.tables import RunRow


class RunEvent(NamedTuple):
    """One event of a run: `id` is `attempt-number`, the `Last-Event-ID` of server-sent events; `data` is an
    event of `agents/events.py` as JSON, or that of the stream part called `part`."""

    id: str
    data: Any
    part: str = ""


class ActiveRun:
    """One run from its acceptance to its end. Event ids name the attempt, so a reader that saw part of an
    attempt that was killed gets all of the next one."""

    def __init__(self, row: RunRow) -> None:
        self.row = row
        self.events: list[RunEvent] = []
        self.ended = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    def publish(self, data: Any, *, part: str = "") -> None:
        """Append an event, or a stream part, and wake the subscribers."""
        self.events.append(RunEvent(f"{self.row.attempt}-{len(self.events) + 1}", data, part))
        self._wake()

    def close(self) -> None:
        """No event follows; subscribers finish."""
        self.ended.set()
        self._wake()

    async def subscribe(self, after: str | None = None) -> AsyncGenerator[RunEvent, None]:
        """Events after the id `after`: the past ones at once, the others as they come, until the run ends."""
        position = len(self.events) - len(events_after(self.events, after))
        while True:
            changed = self._changed
            while position < len(self.events):
                yield self.events[position]
                position += 1
            if self.ended.is_set():
                return
            await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def events_after(events: Sequence[RunEvent], last_id: str | None) -> list[RunEvent]:
    """The events after the one with id `last_id`; all of them when that is not an id of a run."""
    seen = _sort_key(last_id)
    return [event for event in events if _sort_key(event.id) > seen]


def _sort_key(event_id: str | None) -> tuple[int, int]:
    attempt, _, number = (event_id or "").partition("-")
    if not (attempt.isdigit() and number.isdigit() and len(attempt) + len(number) < 20):
        return (0, 0)
    return (int(attempt), int(number))
