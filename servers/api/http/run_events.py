"""A run's events as server-sent events with ids, so that a client can reconnect after the last one."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from servers.api.runs.active_run import RunEvent
from servers.web.sse import HEADERS, HEARTBEAT_S, KEEP_ALIVE, format_event


class RunEventsResponse(StreamingResponse):
    """`metadata`, then each event under its name, then `end`. `on_disconnect` is awaited when the client
    leaves before that.

    A client may leave before the first event is asked for, so the response itself notices, not its generator.
    """

    def __init__(
        self,
        events: AsyncGenerator[RunEvent, None],
        *,
        run_id: str,
        on_disconnect: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        headers = {**HEADERS, "content-location": f"/runs/{run_id}", "x-run-id": run_id}
        super().__init__(self._body(events, run_id), media_type="text/event-stream", headers=headers)
        self.on_disconnect = on_disconnect
        self.ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self.on_disconnect is not None and not self.ended:
                await asyncio.shield(asyncio.ensure_future(self.on_disconnect()))

    async def _body(self, events: AsyncGenerator[RunEvent, None], run_id: str) -> AsyncGenerator[bytes, None]:
        yield format_event({"run_id": run_id}, event="metadata")
        async with aclosing(_with_heartbeats(events)) as beating:
            async for event in beating:
                if event is None:
                    yield KEEP_ALIVE
                else:
                    yield format_event(event.data, event=event.data["event"], id=event.id)
        self.ended = True
        yield format_event(None, event="end")


async def _with_heartbeats(
    events: AsyncGenerator[RunEvent, None],
) -> AsyncGenerator[RunEvent | None, None]:
    """The events, and None whenever none came for `HEARTBEAT_S`."""
    async with aclosing(events):
        while True:
            coming = asyncio.ensure_future(anext(events, None))
            try:
                while not (await asyncio.wait({coming}, timeout=HEARTBEAT_S))[0]:
                    yield None
            except BaseException:
                coming.cancel()
                await asyncio.wait({coming})
                raise
            event = coming.result()
            if event is None:
                return
            yield event
