"""A run that is going on: its events so far, and whoever follows them. It runs nothing itself."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from servers.api.runs.tables import RunRow

Numbered = tuple[str, dict[str, Any]]


class Live:
    """Events are numbered `attempt-n`, so who saw part of a killed one gets the next whole."""

    def __init__(self, row: RunRow) -> None:
        self.row = row
        self.events: list[Numbered] = []
        self.over = asyncio.Event()
        self.work: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def tell(self, event: dict[str, Any]) -> None:
        self.events.append((f"{self.row.attempt}-{len(self.events) + 1}", event))
        self._wake()

    def end(self) -> None:
        """Nothing more will be told; followers leave."""
        self.over.set()
        self._wake()

    async def follow(self, after: str | None = None) -> AsyncGenerator[Numbered, None]:
        """Events after the id `after`, the past ones at once and the others as they come."""
        at = len(self.events) - len(since(self.events, after))
        while True:
            news = self._news
            while at < len(self.events):
                yield self.events[at]
                at += 1
            if self.over.is_set():
                return
            await news.wait()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def since(events: Sequence[Numbered], after: str | None) -> list[Numbered]:
    """The events that come after the one called `after`; all of them when that id is none of ours."""
    seen = _order(after)
    return [one for one in events if _order(one[0]) > seen]


def _order(number: str | None) -> tuple[int, int]:
    attempt, _, place = (number or "").partition("-")
    if not (attempt.isdigit() and place.isdigit() and len(attempt) + len(place) < 20):
        return (0, 0)
    return (int(attempt), int(place))
