"""Work that ends when its client leaves, streamed or not: the watch over those who wait."""

import asyncio
import time
from typing import Any

WATCH_AFTER_S = 0.2


class Presence:
    """One client while its request is worked on. Its leaving is only looked for once that may matter: most
    requests end before a task that listens is worth its cost."""

    __slots__ = ("body", "ended", "event", "left", "receive", "since", "task", "watcher")

    def __init__(self, body: bytes, receive: Any) -> None:
        self.body: bytes | None = body
        self.receive, self.since = receive, time.monotonic()
        self.left = self.ended = False
        self.event = asyncio.Event()
        self.task = asyncio.current_task()
        self.watcher: asyncio.Task[None] | None = None

    async def replay(self) -> Any:
        """The ASGI `receive` of the app: the body already read, then the client's leaving."""
        if self.body is not None:
            body, self.body = self.body, None
            return {"type": "http.request", "body": body, "more_body": False}
        self.watch()
        await self.event.wait()
        return {"type": "http.disconnect"}

    def watch(self) -> None:
        """From now on the work ends when the client leaves."""
        if self.watcher is None:
            self.watcher = asyncio.ensure_future(self._listen())

    def stop(self) -> None:
        if self.watcher is not None:
            self.watcher.cancel()
        self.task = None

    async def _listen(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.event.set()
        # The server reports the end of a whole answer in the same way: what is left to do then is ours.
        if not self.ended and self.task is not None:
            self.left = True
            self.task.cancel()


class Watch:
    """One round for all: timers of their own would cost most requests more than they are worth."""

    def __init__(self) -> None:
        self.present: set[Presence] = set()
        self.round: asyncio.TimerHandle | None = None

    async def run_until_left(self, app: Any, scope: Any, presence: Presence, send: Any) -> None:
        """Run `app` on a body already read; cancel it soon after the client disconnects."""
        self.present.add(presence)
        if self.round is None:
            self._again()
        try:
            await app(scope, presence.replay, send)
        except (Exception, asyncio.CancelledError):
            task = asyncio.current_task()
            if not presence.left or task is None or task.uncancel():
                raise
        finally:
            self.present.discard(presence)
            presence.stop()

    def _again(self) -> None:
        self.round = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._look)

    def _look(self) -> None:
        self.round = None
        due = time.monotonic() - WATCH_AFTER_S
        for presence in self.present:
            if presence.since <= due:
                presence.watch()
        if self.present:
            self._again()
