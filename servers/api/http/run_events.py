"""A run's events as server-sent events with ids, so that a client can reconnect after the last one."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from agents.conversation.ownership import thread_id_of
from agents.events import Failed
from agents.stream_parts import mode_of
from servers.api.runs.active_run import RunEvent
from servers.api.runs.tables import RunRow
from servers.web.sse import HEADERS, HEARTBEAT_S, KEEP_ALIVE, format_event
from tools.schema import JsonObject

FAILED = Failed.model_fields["event"].default


class RunEventsResponse(StreamingResponse):
    """`metadata`, then what the run tells in the stream `modes`, or without any each of its own events under
    its name, then `end`. `on_disconnect` is awaited when the client leaves before that.

    A client may leave before the first event is asked for, so the response itself notices, not its generator.
    """

    def __init__(
        self,
        events: AsyncGenerator[RunEvent, None],
        *,
        row: RunRow,
        modes: Collection[str] = (),
        on_disconnect: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        here = f"/runs/{row.run_id}"
        named = here if row.stateless else f"/threads/{thread_id_of(row.thread_id)}{here}"
        query = "&".join(f"stream_mode={mode}" for mode in modes)
        again = f"{here}/stream?{query}" if query else f"{here}/stream"
        headers = {**HEADERS, "content-location": named, "location": again, "x-run-id": row.run_id}
        super().__init__(self._body(events, row), media_type="text/event-stream", headers=headers)
        self.modes, self.on_disconnect = frozenset(modes), on_disconnect
        self.ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self.on_disconnect is not None and not self.ended:
                await asyncio.shield(asyncio.ensure_future(self.on_disconnect()))

    async def _body(self, events: AsyncGenerator[RunEvent, None], row: RunRow) -> AsyncGenerator[bytes, None]:
        thread = None if row.stateless else thread_id_of(row.thread_id)
        head = {"run_id": row.run_id, "attempt": max(1, row.attempt), "thread_id": thread}
        yield format_event(head, event="metadata")
        async with aclosing(_with_heartbeats(events)) as beating:
            async for event in beating:
                if event is None:
                    yield KEEP_ALIVE
                elif (told := self._told(event)) is not None:
                    yield format_event(told[1], event=told[0], id=event.id)
        self.ended = True
        yield format_event(None, event="end")

    def _told(self, event: RunEvent) -> tuple[str, Any] | None:
        """An event's name and data, None where the modes do not tell it."""
        if not self.modes:
            return None if event.part else (event.data["event"], event.data)
        if event.part:
            return (event.part, event.data) if mode_of(event.part) in self.modes else None
        return ("error", _error(event.data["error"])) if event.data["event"] == FAILED else None


def _error(error: JsonObject) -> JsonObject:
    """An error as LangGraph's clients read it: its kind under `error`."""
    return {**error, "error": error.get("code")}


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
