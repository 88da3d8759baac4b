"""Relays an engine's answer to the client, byte for byte, and watches that it moves and ends well."""

import time
from typing import Any

import orjson

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.counters import Counters
from servers.pool.dispatch import Dispatcher
from servers.pool.http.exchange import JSON, HttpExchange
from servers.pool.http.request import PoolRequest
from servers.pool.scheduling.admission import Admission
from servers.pool.scheduling.instance import Reservation
from servers.pool.upstream.backend import Reply
from servers.pool.upstream.deadline import Deadline
from servers.pool.upstream.sse import ABORTED, Reader, checked_choices, reader_of
from servers.pool.upstream.thinking import Thinking, told_apart
from tools.errors import Cancelled, UpstreamFailed, UpstreamSilent
from tools.schema import JsonObject

BYTES_PER_TOKEN = 4
"""Of a request's body, where its engine does not count its tokens."""
WHOLE_FACTOR = 5
"""An answer in one piece may take so many times the wait for a first token."""


class Relay:
    """Between engines and clients; times in seconds."""

    def __init__(
        self,
        *,
        dispatcher: Dispatcher,
        admission: Admission,
        counters: Counters,
        first_token_s: float,
        between_tokens_s: float,
    ) -> None:
        self.dispatcher, self.admission, self.counters = dispatcher, admission, counters
        self.first_token_s, self.between_tokens_s = first_token_s, between_tokens_s

    async def send(
        self, exchange: HttpExchange, request: PoolRequest, spec: ModelSpec, reservation: Reservation
    ) -> None:
        """Ask the engine and send its answer. What fails is raised, before the first byte as after it."""
        reader, first_s = reader_of(request.upstream.path), self.first_token_s
        reply: Reply | None = None
        deadline = exchange.deadline = Deadline(
            first_s if request.stream else first_s * WHOLE_FACTOR, polled=True
        )
        try:
            with deadline:
                reply = await self.dispatcher.ask(spec, reservation, request.upstream)
                request.ignored = reply.ignored
                if reply.events is None:
                    await self._whole(exchange, request, spec, reply)
                else:
                    await self._stream(exchange, request, spec, reply, reader, deadline)
            self.admission.answered(reservation)
            self.dispatcher.answered(request.upstream)
        except UpstreamFailed as exc:
            if reply is not None:
                await self.dispatcher.judge(reservation, request.upstream, exc, reply)
            raise
        except TimeoutError as exc:
            if deadline.writing:
                await exchange.abort()
                raise Cancelled("the client takes nothing", source="pool") from exc
            if not reader.events:
                self.admission.fell_silent(reservation)
            raise UpstreamSilent(f"the engine of {spec.id} fell silent", source="engine") from exc
        finally:
            if reply is not None:
                reply.close()

    async def _whole(
        self, exchange: HttpExchange, request: PoolRequest, spec: ModelSpec, reply: Reply
    ) -> None:
        body = reply.body or b""
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError as exc:
            raise UpstreamFailed("the engine sent something that is not JSON", source="engine") from exc
        if not isinstance(answer, dict):
            raise UpstreamFailed("the engine sent something that is not an object", source="engine")
        if reply.status < 300:
            checked_choices(answer, "message")
            _refuse_abort(answer)
            if request.upstream.chat and told_apart(answer):
                body = orjson.dumps(answer)
            self._count(exchange, request, spec, answer.get("usage"))
            body = request.writer.whole(answer, body)
        exchange.answered = True
        await exchange.send(reply.status, body, [JSON, *request.headers(spec.id)])

    async def _stream(
        self,
        exchange: HttpExchange,
        request: PoolRequest,
        spec: ModelSpec,
        reply: Reply,
        reader: Reader,
        deadline: Deadline,
    ) -> None:
        between_s, turn = self.between_tokens_s, request.writer.turn
        assert reply.events is not None
        apart = Thinking().feed if request.upstream.chat else bytes
        whole, heard = False, 0
        try:
            async for part in reply.events:
                chunk = reader.feed(part)
                if not chunk:
                    continue
                if not exchange.answered:
                    exchange.answered = True
                    self.counters.of(spec.id).spoke(_seconds(exchange, request))
                    await exchange.start_stream(request.writer, request.headers(spec.id))
                    if request.first_event:
                        await exchange.write(request.first_event)
                deadline.writing = True
                await exchange.write(turn(apart(chunk)))
                deadline.writing = False
                if reader.events > heard:  # an engine that sends comments alone says nothing
                    heard = reader.events
                    deadline.renew(between_s)
                if reader.done:
                    break
            reader.close()
            whole = True
        finally:
            if not whole and reader.events:  # who leaves early has used what was written until then
                self._estimate(exchange, request, spec, reader.events)
        await exchange.end(request.writer.last())
        self._count(exchange, request, spec, reader.usage, events=reader.events)

    def _count(
        self,
        exchange: HttpExchange,
        request: PoolRequest,
        spec: ModelSpec,
        usage: Any,
        *,
        events: int = 0,
    ) -> None:
        """Note what was served; `usage` is what the engine says, which may be anything or nothing."""
        fields = usage if isinstance(usage, dict) else {}
        read = fields.get("prompt_tokens", fields.get("input_tokens", fields.get("total_tokens")))
        written = fields.get("completion_tokens", fields.get("output_tokens", 0 if read else None))
        prompt = read if isinstance(read, int) and read > 0 else 0
        completion = written if isinstance(written, int) and written >= 0 else events
        counts = self.counters.of(spec.id)
        seconds = _seconds(exchange, request)
        counts.answered(prompt=prompt, completion=completion, seconds=seconds, at=time.monotonic())
        if not prompt:
            self._estimate(exchange, request, spec, completion)
            return
        self.counters.used(spec.id, prompt=prompt, completion=completion)
        exchange.noted = {"model": spec.id, "tokens_in": prompt, "tokens_out": completion}

    def _estimate(
        self, exchange: HttpExchange, request: PoolRequest, spec: ModelSpec, completion: int
    ) -> None:
        """What the engine does not say is estimated, and said to be: the prompt's tokens by its length."""
        prompt = len(request.upstream.body) // BYTES_PER_TOKEN
        self.counters.of(spec.id).estimated += 1
        self.counters.used(spec.id, prompt=prompt, completion=completion)
        exchange.noted = {"model": spec.id, "tokens_in": prompt, "tokens_out": completion, "estimated": True}


def _seconds(exchange: HttpExchange, request: PoolRequest) -> float:
    """Since the request came, as its client counts; a load that it waited for is told apart."""
    reservation = request.reservation
    loading_s = reservation.waited_s if reservation and reservation.load_s else 0.0
    return time.monotonic() - exchange.arrived_at - loading_s


def _refuse_abort(answer: JsonObject) -> None:
    choices = answer.get("choices") or ()
    ends = [choice.get("finish_reason") for choice in choices if isinstance(choice, dict)]
    if answer.get("object") == "response" and answer.get("status") in ("failed", "cancelled"):
        raise UpstreamFailed("the engine failed the answer", source="engine", code=ABORTED)
    if "abort" in (*ends, answer.get("stop_reason")):
        raise UpstreamFailed("the engine aborted the answer", source="engine", code=ABORTED)
