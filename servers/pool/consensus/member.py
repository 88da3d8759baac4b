"""Asks one model of the pool for its answer, piece by piece, through the scheduler like any other request."""

import time
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import orjson

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.counters import Counters
from servers.pool.dispatch import Dispatcher
from servers.pool.engines.availability import Availability
from servers.pool.scheduling.admission import Admission
from servers.pool.scheduling.instance import Reservation
from servers.pool.upstream.backend import UpstreamRequest
from servers.pool.upstream.deadline import Deadline
from servers.pool.upstream.sse import Reader
from tools.errors import Capibara6Error, Unavailable, UpstreamFailed, UpstreamSilent
from tools.settings import Pool as Limits

PATH = "/v1/chat/completions"
PASSED_ON = ("temperature", "top_p", "top_k", "seed", "stop", "presence_penalty", "frequency_penalty", "user")


class Piece(NamedTuple):
    """Some text, or at the end the tokens that were used."""

    text: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish: str | None = None


class Speak(Protocol):
    """Streams one model's answer to `messages`; raises Capibara6Error."""

    def __call__(
        self, name: str, messages: Sequence[dict[str, Any]], tokens: int, /, **sampling: Any
    ) -> AsyncGenerator[Piece, None]: ...


class Members:
    """The models of one pool as they are asked for answers."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        availability: Availability,
        admission: Admission,
        dispatcher: Dispatcher,
        counters: Counters,
        limits: Limits,
    ) -> None:
        self.catalog, self.availability, self.admission = catalog, availability, admission
        self.dispatcher, self.counters, self.limits = dispatcher, counters, limits

    def speak_for(self, request: dict[str, Any]) -> Speak:
        """`speak` with the sampling fields of one request."""
        return partial(
            self.speak, **{name: request[name] for name in PASSED_ON if request.get(name) is not None}
        )

    async def speak(
        self, name: str, messages: Sequence[dict[str, Any]], tokens: int, /, **sampling: Any
    ) -> AsyncGenerator[Piece, None]:
        """One model's answer from the first of its engines that gives one."""
        spec = self.catalog.spec(name)
        request = {
            **sampling, "model": spec.id, "messages": list(messages), "max_tokens": tokens,
            "stream": True, "stream_options": {"include_usage": True},
        }  # fmt: skip
        instances, began = self.availability.instances(spec), False
        for instance in instances:
            try:
                async for piece in self._from(spec, instance, request):
                    began = True
                    yield piece
                return
            except (Unavailable, UpstreamFailed, UpstreamSilent):
                self.counters.of(spec.id).failures += 1
                if began or instance == instances[-1]:
                    raise

    async def _from(
        self, spec: ModelSpec, instance: str, request: dict[str, Any]
    ) -> AsyncGenerator[Piece, None]:
        reservation = self.admission.request(instance)
        try:
            await self.admission.wait(reservation)
            if reservation.refused is not None:
                raise reservation.refused
            async for piece in self._answer(spec, reservation, request):
                yield piece
        finally:
            self.admission.release(reservation)

    async def _answer(
        self, spec: ModelSpec, reservation: Reservation, request: dict[str, Any]
    ) -> AsyncGenerator[Piece, None]:
        bounds, began = self.limits, time.monotonic()
        reader, patience = Reader(), Deadline(bounds.first_token_s)
        reply = None
        try:
            with patience:
                asked = UpstreamRequest(PATH, request, orjson.dumps(request))
                reply = await self.dispatcher.ask(spec, reservation, asked)
                if reply.events is None:
                    raise _refused(spec, reply.status, reply.body)
                async for part in reply.events:
                    # While the client reads, it is not the engine that is silent.
                    patience.renew(bounds.load_s)
                    for piece in _pieces(reader.feed(part)):
                        yield piece
                    patience.renew(bounds.between_tokens_s)
                    if reader.done:
                        break
            reader.close()
        except TimeoutError as exc:
            raise UpstreamSilent(f"the engine of {spec.id} fell silent", source="engine") from exc
        except UpstreamFailed:
            await self.dispatcher.check(reservation)
            raise
        finally:
            if reply is not None:
                reply.close()
        self._count(spec, reader, began)
        self.admission.answered(reservation)
        yield _used(reader)

    def _count(self, spec: ModelSpec, reader: Reader, began: float) -> None:
        used, now = _used(reader), time.monotonic()
        self.counters.of(spec.id).answered(
            prompt=used.prompt_tokens, completion=used.completion_tokens, seconds=now - began, at=now
        )


def _pieces(chunk: bytes) -> list[Piece]:
    """The texts in whole events that a Reader has let through."""
    found: list[Piece] = []
    for line in chunk.split(b"\n"):
        if not line.startswith(b"data:") or line[5:].strip() == b"[DONE]":
            continue
        for choice in orjson.loads(line[5:]).get("choices") or ():
            text = (choice.get("delta") or {}).get("content") or ""
            if text or choice.get("finish_reason"):
                found.append(Piece(text, finish=choice.get("finish_reason")))
    return found


def _used(reader: Reader) -> Piece:
    usage = reader.usage or {}
    return Piece("", usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or reader.events)


def _refused(spec: ModelSpec, status: int, body: bytes | None) -> Capibara6Error:
    said = (body or b"")[:200].decode("utf-8", "replace")
    return UpstreamFailed(f"the engine of {spec.id} answered HTTP {status}: {said}", source="engine")
