"""The disconnect watch: work ends when the client behind it leaves, streamed or not.

One timer for all clients: a task or a timer for each would cost most requests more than they are worth. How a
cancelled request is counted (499) is the caller's business.
"""

import asyncio
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

WATCH_AFTER_S = 0.2
"""Most requests end before this; only then a task begins to listen for the client's leaving."""


class WatchedClient:
    """One client while its request is worked on: cancels that work once the client has left.

    `left` says that it did. Set `ended` with the last byte of the answer: after it the server reports the end
    of the request as a disconnect too.
    """

    __slots__ = ("arrived_at", "ended", "left", "receive", "task", "watcher")

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self.arrived_at = time.monotonic()
        self.left = self.ended = False
        self.task: asyncio.Task[Any] | None = None
        self.watcher: asyncio.Task[None] | None = None

    def look(self, now: float) -> None:
        """Called once a round with the monotonic time."""
        if now - self.arrived_at >= WATCH_AFTER_S:
            self.watch()

    def watch(self) -> None:
        """Listen for the client's leaving from now on."""
        if self.watcher is None:
            self.watcher = asyncio.ensure_future(self._listen())

    async def _listen(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.disconnected()
        if not self.ended and self.task is not None:
            self.left = True
            self.task.cancel()

    def disconnected(self) -> None:
        """Called when the server reports a disconnect, or the end of the request."""


class DisconnectWatch:
    """Looks at every client under way, in one round each `WATCH_AFTER_S`."""

    def __init__(self) -> None:
        self._clients: set[WatchedClient] = set()
        self._round: asyncio.TimerHandle | None = None

    def add(self, client: WatchedClient) -> None:
        """Begin: the present task is cancelled when the client leaves before `remove`."""
        client.task = asyncio.current_task()
        self._clients.add(client)
        if self._round is None:
            self._schedule()

    def remove(self, client: WatchedClient) -> None:
        """The work is over: nothing is cancelled from now on."""
        self._clients.discard(client)
        if client.watcher is not None:
            client.watcher.cancel()
        client.task = None

    def _schedule(self) -> None:
        self._round = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._look)

    def _look(self) -> None:
        self._round = None
        now = time.monotonic()
        for client in self._clients:
            client.look(now)
        if self._clients:
            self._schedule()


class BufferedRequest(WatchedClient):
    """A request whose body has been read: `replay` is the ASGI `receive` for the app."""

    __slots__ = ("body", "disconnect")

    def __init__(self, body: bytes, receive: Receive) -> None:
        super().__init__(receive)
        self.body: bytes | None = body
        self.disconnect = asyncio.Event()

    async def replay(self) -> Message:
        """The body, then the client's leaving."""
        if self.body is not None:
            body, self.body = self.body, None
            return {"type": "http.request", "body": body, "more_body": False}
        self.watch()
        await self.disconnect.wait()
        return {"type": "http.disconnect"}

    def disconnected(self) -> None:
        """End `replay`."""
        self.disconnect.set()


async def run_until_disconnect(
    app: ASGIApp, scope: Scope, request: BufferedRequest, send: Send, *, watch: DisconnectWatch
) -> None:
    """Run an ASGI `app` on a request; cancel it soon after the client disconnects."""
    watch.add(request)
    try:
        await app(scope, request.replay, send)
    except (Exception, asyncio.CancelledError):
        task = asyncio.current_task()
        if not request.left or task is None or task.uncancel():
            raise
    finally:
        watch.remove(request)
