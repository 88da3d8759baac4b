"""A run's events as server-sent events with ids, so that a reader who was cut off can go on from the last."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from servers.api.runs.broadcast import Numbered
from servers.web.sse import HEADERS, HEARTBEAT_S


class Feed(StreamingResponse):
    """`metadata`, then each event under its name, then `end`. `left` is for a reader who goes before it.

    The reader may be gone before the first line is asked for, so the response itself watches, not its lines.
    """

    def __init__(
        self,
        events: AsyncGenerator[Numbered, None],
        *,
        run_id: str,
        left: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        headers = {**HEADERS, "content-location": f"/runs/{run_id}", "x-run-id": run_id}
        super().__init__(self._lines(events, run_id), media_type="text/event-stream", headers=headers)
        self.left = left
        self.ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self.left is not None and not self.ended:
                await asyncio.shield(asyncio.ensure_future(self.left()))

    async def _lines(
        self, events: AsyncGenerator[Numbered, None], run_id: str
    ) -> AsyncGenerator[bytes, None]:
        yield _line("metadata", {"run_id": run_id})
        async with aclosing(_beating(events)) as beats:
            async for numbered in beats:
                yield (
                    _line(numbered[1]["event"], numbered[1], numbered[0]) if numbered else b": keep-alive\n\n"
                )
        self.ended = True
        yield _line("end", None)


async def _beating(events: AsyncGenerator[Numbered, None]) -> AsyncGenerator[Numbered | None, None]:
    """The events, and None whenever there was none for a while."""
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
            numbered = coming.result()
            if numbered is None:
                return
            yield numbered


def _line(event: str, data: object, number: str | None = None) -> bytes:
    head = f"id: {number}\n" if number else ""
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"{head}event: {event}\ndata: {body}\n\n".encode()
