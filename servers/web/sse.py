"""Server-sent events (WHATWG HTML, section 9.2): the one place where events are formatted and streamed.

They are read in `tools/clients/http.py`, and those of engines in `servers/pool/upstream/sse.py`.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import orjson
from starlette.responses import StreamingResponse

from tools.errors import Capibara6Error
from tools.schema import JsonObject

HEARTBEAT_S = 10.0
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
KEEP_ALIVE = b": keep-alive\n\n"
"""A comment, which readers ignore and proxies count as traffic."""
DONE = b"data: [DONE]\n\n"
"""How OpenAI's streams end."""


def format_event(data: object, *, event: str = "", id: str = "") -> bytes:
    """One event: `data` as JSON, under the name `event` and with an `id` when they are given."""
    line = b"data: " + _dumps(data) + b"\n\n"
    if event or id:
        head = f"id: {id}\n" if id else ""
        return f"{head}event: {event}\n".encode() + line
    return line


def error_event(exc: Capibara6Error) -> bytes:
    """An error after the first byte of a stream: the envelope that would have been the answer's body."""
    return format_event(exc.envelope())


async def respond(events: AsyncGenerator[JsonObject, None]) -> StreamingResponse:
    """Stream `events`, then `[DONE]`. An error before the first event is raised: it becomes a status."""
    first = await anext(events, None)
    return StreamingResponse(_body(first, events), media_type="text/event-stream", headers=HEADERS)


async def _body(first: JsonObject | None, events: AsyncGenerator[JsonObject, None]) -> AsyncIterator[bytes]:
    """All events, a comment after each `HEARTBEAT_S` of silence, an error of ours as the last event."""
    if first is not None:
        yield format_event(first)
    pending: asyncio.Future[JsonObject] | None = None
    async with aclosing(events):
        try:
            while True:
                pending = pending or asyncio.ensure_future(anext(events))
                done, _ = await asyncio.wait({pending}, timeout=HEARTBEAT_S)
                if not done:
                    yield KEEP_ALIVE
                    continue
                finished, pending = pending, None
                yield format_event(finished.result())
        except StopAsyncIteration:
            yield DONE
        except Capibara6Error as exc:
            yield error_event(exc)
        finally:
            if pending is not None:
                pending.cancel()
                await asyncio.gather(pending, return_exceptions=True)


def _dumps(data: object) -> bytes:
    try:
        return orjson.dumps(data)
    except TypeError:  # an integer of more than 64 bits, which only the standard library writes
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
