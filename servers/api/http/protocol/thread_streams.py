"""The Agent Protocol's streaming over HTTP: what happens in a thread as server-sent events, and commands."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import Field, ValidationError

from servers.api.http.dependencies import CallerDep, RequestModel, ServicesDep
from servers.api.http.protocol.acceptance import accept
from servers.api.http.protocol.run_requests import RunCreate
from servers.api.http.protocol.thread_events import CHANNELS, RECORDED, RunTranslation, Told, channel_of
from servers.api.runs.tables import RunRow
from servers.api.services import Services
from servers.web.sse import HEADERS, HEARTBEAT_S, KEEP_ALIVE, format_event
from tools.access.identity import Principal
from tools.errors import BadRequest, Capibara6Error, NotSupported
from tools.schema import JsonObject

router = APIRouter(prefix="/threads/{thread_id}", tags=["threads"])
MOST_RUNS = 10_000
Channel = Annotated[str, Field(max_length=128)]


class EventStreamRequest(RequestModel):
    """Which channels are told. Graphs here have no graphs inside: every event has the empty namespace, so
    that only an empty prefix finds any, at any `depth`.

    Without `since` the newest run is told from its beginning; with it all that came after that number.
    """

    channels: Annotated[list[Channel], Field(min_length=1, max_length=64)]
    namespaces: Annotated[list[list[Channel]], Field(max_length=64)] | None = None
    depth: Annotated[int, Field(ge=0)] | None = None
    since: Annotated[int, Field(ge=0)] | None = None

    def wants(self, method: str, data: Any) -> bool:
        """Whether an event is told."""
        if self.namespaces is not None and [] not in self.namespaces:
            return False
        channel = channel_of(method)
        named = f"custom:{data.get('name')}" if channel == "custom" else ""
        return channel in self.channels or named in self.channels


class StreamingCommand(RequestModel):
    """A command and its number, which its answer repeats."""

    id: int = Field(ge=0)
    method: Annotated[str, Field(max_length=64)]
    params: JsonObject = Field(default={})


@router.post("/stream")
@router.post("/stream/events", include_in_schema=False)
async def stream(
    thread_id: str, body: EventStreamRequest, services: ServicesDep, caller: CallerDep
) -> StreamingResponse:
    """What happens in the thread, run after run, until the client leaves."""
    other = [one for one in body.channels if one.partition(":")[0] not in CHANNELS]
    if other:
        why = f"there is no channel {other[0]!r}; there are: {', '.join(CHANNELS)}"
        raise BadRequest(why, param="channels", source="api", code="invalid_value")
    thread = await services.threads.get(thread_id, caller)
    told = _lines(services, thread.thread_id, body)
    return StreamingResponse(told, media_type="text/event-stream", headers=HEADERS)


@router.get("/stream")
async def websocket(thread_id: str, services: ServicesDep, caller: CallerDep) -> None:
    """The protocol's WebSocket, which is not spoken here."""
    raise NotSupported("events come by POST, and commands go to /commands", source="api")


@router.post("/commands")
async def command(
    thread_id: str, body: StreamingCommand, services: ServicesDep, caller: CallerDep
) -> JsonObject:
    """Start a run, answer an interrupt, read the state; what is refused is an answer of the type `error`."""
    act = COMMANDS.get(body.method)
    try:
        if act is None:
            raise NotSupported(f"there is no command {body.method!r}; there are: {', '.join(COMMANDS)}")
        result = await act(services, caller, thread_id, body.params)
    except Capibara6Error as exc:
        return {"type": "error", "id": body.id, "error": exc.code, "message": exc.message}
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return {
            "type": "error",
            "id": body.id,
            "error": "invalid_argument",
            "message": f"{where}: {first['msg']}",
        }
    return {"type": "success", "id": body.id, "result": result}


async def _start(services: Services, caller: Principal, thread_id: str, params: JsonObject) -> JsonObject:
    made = {"stream_mode": list(RECORDED), "if_not_exists": "create", "on_disconnect": "continue"}
    row = await accept(services, RunCreate.model_validate({**params, **made}), caller, thread_id)
    return {"run_id": row.run_id}


async def _respond(services: Services, caller: Principal, thread_id: str, params: JsonObject) -> JsonObject:
    thread = await services.threads.get(thread_id, caller)
    answers = params.get("responses") or [params]
    resume = {str(one.get("interrupt_id")): one.get("response") for one in answers}
    command = {"resume": resume, "update": params.get("update"), "goto": params.get("goto")}
    asked = {name: params[name] for name in ("config", "metadata") if name in params}
    agent = thread.meta.get("assistant_id", "capibara6")
    await _start(services, caller, thread_id, {"assistant_id": agent, "command": command, **asked})
    return {}


async def _state(services: Services, caller: Principal, thread_id: str, params: JsonObject) -> JsonObject:
    state = await services.states.get(await services.threads.get(thread_id, caller))
    keys = params.get("keys")
    values = state["values"] if keys is None else {k: v for k, v in state["values"].items() if k in keys}
    return {"values": values, "checkpoint": {"id": state["checkpoint"]["checkpoint_id"]}}


async def _checkpoints(
    services: Services, caller: Principal, thread_id: str, params: JsonObject
) -> JsonObject:
    thread = await services.threads.get(thread_id, caller)
    limit = min(max(1, int(params.get("limit", 10))), 1_000)
    found = await services.states.history(thread, limit=limit, before=params.get("before"))
    return {
        "checkpoints": [
            {
                "id": one["checkpoint"]["checkpoint_id"],
                "timestamp": one["created_at"],
                "step": one["metadata"].get("step", -1),
                "metadata": one["metadata"],
            }
            for one in found
        ]
    }


async def _fork(services: Services, caller: Principal, thread_id: str, params: JsonObject) -> JsonObject:
    thread = await services.threads.get(thread_id, caller)
    agent = thread.meta.get("assistant_id", "capibara6")
    forked = await _start(services, caller, thread_id, {"assistant_id": agent, **params})
    return {**forked, "thread_id": thread_id}


COMMANDS = {
    "run.start": _start,
    "input.respond": _respond,
    "state.get": _state,
    "state.listCheckpoints": _checkpoints,
    "state.fork": _fork,
}


async def _lines(services: Services, key: str, wanted: EventStreamRequest) -> AsyncIterator[bytes]:
    """The events that are wanted, and a comment after each silence."""
    async with aclosing(_events(services, key, newest=wanted.since is None)) as events:
        yield KEEP_ALIVE
        coming = asyncio.ensure_future(anext(events))
        try:
            while True:
                if not (await asyncio.wait({coming}, timeout=HEARTBEAT_S))[0]:
                    yield KEEP_ALIVE
                    continue
                seq, (method, data) = coming.result()
                coming = asyncio.ensure_future(anext(events))
                if seq > (wanted.since or 0) and wanted.wants(method, data):
                    yield _line(seq, method, data)
        finally:
            coming.cancel()
            await asyncio.wait({coming})


async def _events(services: Services, key: str, *, newest: bool) -> AsyncGenerator[tuple[int, Told], None]:
    """Everything told in the thread, numbered from 1 over its runs, oldest first; never ends."""
    seen, seq = set[str](), 0
    while True:
        accepted = services.runner.accepted
        rows = await services.runner.repository.search(thread_id=key, limit=MOST_RUNS)
        for row in reversed(rows):
            if row.run_id in seen:
                continue
            seen.add(row.run_id)
            skipped = newest and not seq and row is not rows[0] and row.run_id not in services.runner.active
            async with aclosing(_told(services, row)) as told:
                async for one in told:
                    seq += 1
                    if not skipped:
                        yield seq, one
        await accepted.wait()


async def _told(services: Services, row: RunRow) -> AsyncGenerator[Told, None]:
    run = RunTranslation(row)
    for one in run.begin():
        yield one
    async with aclosing(services.runner.follow(row.run_id)) as events:
        async for event in events:
            for one in run.of(event):
                yield one
    for one in run.end((await services.runner.wait(row.run_id)).status):
        yield one


def _line(seq: int, method: str, data: Any) -> bytes:
    params = {"namespace": [], "timestamp": int(time.time() * 1_000), "data": data}
    event = {"type": "event", "eventId": str(seq), "seq": seq, "method": method, "params": params}
    return format_event(event, event=method, id=str(seq))
