"""Server-sent events: JSON in, `data:` lines out; an error after the first byte is an event, then the end."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi.responses import StreamingResponse

from tools.errors import Capibara6Error

HEARTBEAT_S = 10.0
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


async def respond(events: AsyncIterator[dict[str, Any]]) -> StreamingResponse:
    """Stream `events`, then `[DONE]`. An error before the first event is raised: it becomes a status."""
    try:
        first = await anext(events)
    except StopAsyncIteration:
        first = None
    return StreamingResponse(_lines(first, events), media_type="text/event-stream", headers=HEADERS)


async def _lines(first: dict[str, Any] | None, events: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    if first is not None:
        yield line(first)
    pending: asyncio.Future[dict[str, Any]] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({pending}, timeout=HEARTBEAT_S)
            if not done:
                yield b": keep-alive\n\n"
                continue
            finished, pending = pending, None
            yield line(finished.result())
    except StopAsyncIteration:
        yield b"data: [DONE]\n\n"
    except Capibara6Error as exc:
        yield line(exc.envelope())
    finally:
        if pending is not None:
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


def line(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
