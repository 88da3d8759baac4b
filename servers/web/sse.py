"""Server-sent events (WHATWG HTML, section 9.2): the one place where events are formatted and streamed.

They are read in `tools/clients/http.py`, and those of engines in `servers/pool/upstream/sse.py`.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tools.errors import Capibara6Error
from tools.schema import JsonObject

HEARTBEAT_S = 10.0
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
KEEP_ALIVE = b": keep-alive\n\n"
"""A comment, which readers ignore and proxies count as traffic."""
DONE = b"data: [DONE]\n\n"
"""How OpenAI's streams end."""
WAITING = 64
"""Events that may wait for a reader; then what makes them waits too."""


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


class EventStream(StreamingResponse):
    """A stream of events behind `ServiceMiddleware`, which watches for the client's leaving: it is not
    listened for a second time."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.stream_response(send)

    async def stream_response(self, send: Send) -> None:
        """Send what there is; the response ends in the same write as its stream."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        ended = False
        async for piece in self.body_iterator:
            ended = piece[-len(DONE) :] == DONE
            await send({"type": "http.response.body", "body": piece, "more_body": not ended})
        if not ended:
            await send({"type": "http.response.body", "body": b""})


async def respond(
    events: AsyncGenerator[JsonObject, None], *, form: Callable[[JsonObject], bytes] = format_event
) -> EventStream:
    """Stream `events` as `form` writes them, then `[DONE]`. An error before the first event is raised: it
    becomes a status."""
    first = await anext(events, None)
    return EventStream(_body(first, events, form), media_type="text/event-stream", headers=HEADERS)


async def _body(
    first: JsonObject | None,
    events: AsyncGenerator[JsonObject, None],
    form: Callable[[JsonObject], bytes],
) -> AsyncIterator[bytes]:
    """All events, a comment after each `HEARTBEAT_S` of silence, an error of ours as the last event.

    What comes at once leaves at once, in one piece: a write for each event costs more than to make it.
    """
    if first is not None:
        yield form(first)
    waiting, room = asyncio.Queue[bytes | None](), asyncio.Semaphore(WAITING)
    reading = asyncio.create_task(_read(events, waiting, room, form))
    try:
        while (part := await _next(waiting)) is not None:
            parts = [part]
            while not waiting.empty() and (part := waiting.get_nowait()) is not None:
                parts.append(part)
            for _ in parts:
                room.release()
            yield b"".join(parts)
            if part is None:
                break
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _next(waiting: asyncio.Queue[bytes | None]) -> bytes | None:
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            return await waiting.get()
    except TimeoutError:
        return KEEP_ALIVE


async def _read(
    events: AsyncGenerator[JsonObject, None],
    waiting: asyncio.Queue[bytes | None],
    room: asyncio.Semaphore,
    form: Callable[[JsonObject], bytes],
) -> None:
    """Put events where they wait to be written, then None, whatever ended them; each takes some `room`."""
    try:
        async with aclosing(events):
            async for event in events:
                await room.acquire()
                waiting.put_nowait(form(event))
        waiting.put_nowait(DONE)
    except Capibara6Error as exc:
        waiting.put_nowait(error_event(exc))
    finally:
        waiting.put_nowait(None)


def _dumps(data: object) -> bytes:
    try:
        return orjson.dumps(data)
    except TypeError:  # an integer of more than 64 bits, which only the standard library writes
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
