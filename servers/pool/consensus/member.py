"""Streams one model's answer for a consensus, through the scheduler like any other request.

It tries the model's instances one after the other until the first text; what the answer is good for is
`session`'s business.
"""

import time
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import NamedTuple, Protocol, TypedDict, cast

import orjson

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.counters import Counters
from servers.pool.dispatch import Dispatcher, may_ask_others
from servers.pool.engines.availability import Availability
from servers.pool.scheduling.admission import Admission
from servers.pool.scheduling.instance import Reservation
from servers.pool.upstream.backend import UpstreamRequest
from servers.pool.upstream.deadline import Deadline
from servers.pool.upstream.sse import Reader
from servers.pool.upstream.thinking import Thinking
from tools.errors import Capibara6Error, ModelUnavailable, Unavailable, UpstreamFailed, UpstreamSilent
from tools.schema import JsonObject
from tools.settings import Pool as Limits

PATH = "/v1/chat/completions"
SAMPLING_FIELDS = (
    "temperature", "top_p", "top_k", "seed", "stop", "presence_penalty", "frequency_penalty", "user"
)  # fmt: skip
"""Fields of the client's request that every member gets too."""
QUOTED_BYTES = 200


class Delta(NamedTuple):
    """Some text, or at the end the tokens that were used."""

    text: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: str | None = None


class Generate(Protocol):
    """Streams the answer of the model `name` to `messages`, of at most `max_tokens`.

    `temperature` overrules the client's. Raises a Capibara6Error when the model gives none or breaks off.
    """

    def __call__(
        self,
        name: str,
        messages: Sequence[JsonObject],
        max_tokens: int,
        /,
        *,
        temperature: float | None = None,
    ) -> AsyncGenerator[Delta, None]: ...


class MemberClient:
    """Asks the models of one pool for their answers."""

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

    def generator(self, request: JsonObject, *, load: bool) -> Generate:
        """Generate with the sampling fields of a client's `request`; without `load` by loaded models only."""
        sampling = {name: request[name] for name in SAMPLING_FIELDS if request.get(name) is not None}
        return partial(self.generate, sampling, load)

    def expected_s(self) -> dict[str, float]:
        """Seconds that each model's answer is expected to take, where that was measured lately."""
        now = time.monotonic()
        alone = {name: self.counters.of(name).expected_s(now) for name in self.catalog.ids}
        return {name: s if self.admission.has_place(name) else 2 * s for name, s in alone.items()}

    async def generate(
        self,
        sampling: JsonObject,
        load: bool,
        name: str,
        messages: Sequence[JsonObject],
        max_tokens: int,
        /,
        *,
        temperature: float | None = None,
    ) -> AsyncGenerator[Delta, None]:
        """See Generate. The first of the model's instances that gives any text gives all of it."""
        spec = self.catalog.spec(name)
        if temperature is not None:
            sampling = {**sampling, "temperature": temperature}
        request = {
            **sampling, "model": spec.id, "messages": list(messages), "max_tokens": max_tokens,
            "stream": True, "stream_options": {"include_usage": True},
        }  # fmt: skip
        instances, began = self.availability.instances(spec), False
        for instance in instances:
            try:
                if not load and not self.admission.is_ready(instance):
                    raise ModelUnavailable(f"{name} is not loaded", param="model", source="pool")
                async for delta in self._from_instance(spec, instance, request):
                    began = True
                    yield delta
                return
            except (Unavailable, UpstreamFailed, UpstreamSilent) as exc:
                self.counters.of(spec.id).failures += 1
                if began or instance == instances[-1] or not may_ask_others(exc):
                    raise

    async def _from_instance(
        self, spec: ModelSpec, instance: str, request: JsonObject
    ) -> AsyncGenerator[Delta, None]:
        reservation = self.admission.request(instance)
        try:
            await self.admission.wait(reservation)
            if reservation.refused is not None:
                raise reservation.refused
            async for delta in self._stream(spec, reservation, request):
                yield delta
        finally:
            self.admission.release(reservation)

    async def _stream(
        self, spec: ModelSpec, reservation: Reservation, request: JsonObject
    ) -> AsyncGenerator[Delta, None]:
        bounds, began = self.limits, time.monotonic()
        reader, deadline = Reader(), Deadline(bounds.first_token_s)
        apart = Thinking().feed
        asked, reply = UpstreamRequest(PATH, request, orjson.dumps(request)), None
        try:
            with deadline:
                reply = await self.dispatcher.ask(spec, reservation, asked)
                if reply.events is None:
                    raise _http_error(spec, reply.status, reply.body)
                async for chunk in reply.events:
                    # While the client reads, it is not the engine that is silent.
                    deadline.renew(bounds.load_s)
                    for delta in _deltas(apart(reader.feed(chunk))):
                        yield delta
                    deadline.renew(bounds.between_tokens_s)
                    if reader.done:
                        break
            reader.close()
        except TimeoutError as exc:
            raise UpstreamSilent(f"the engine of {spec.id} fell silent", source="engine") from exc
        except UpstreamFailed as exc:
            if reply is not None:
                await self.dispatcher.judge(reservation, asked, exc, reply)
            raise
        finally:
            if not reader.done:
                now = time.monotonic()
                self.counters.of(spec.id).broken_off(now - began, now)
            if reply is not None:
                reply.close()
        usage = _usage(reader)
        self._count(spec, usage, began)
        self.admission.answered(reservation)
        self.dispatcher.answered(asked)
        yield usage

    def _count(self, spec: ModelSpec, usage: Delta, began: float) -> None:
        now = time.monotonic()
        self.counters.answered(
            spec.id,
            prompt=usage.prompt_tokens,
            completion=usage.completion_tokens,
            seconds=now - began,
            at=now,
        )


class _WireDelta(TypedDict, total=False):
    content: str | None


class _Choice(TypedDict, total=False):
    delta: _WireDelta | None
    finish_reason: str | None


class _Chunk(TypedDict, total=False):
    choices: list[_Choice] | None


def _deltas(events: bytes) -> list[Delta]:
    """The texts in whole events that a Reader has let through."""
    found: list[Delta] = []
    for line in events.split(b"\n"):
        if not line.startswith(b"data:") or line[5:].strip() == b"[DONE]":
            continue
        chunk = cast("_Chunk", orjson.loads(line[5:]))
        for choice in chunk.get("choices") or ():
            text = (choice.get("delta") or {}).get("content") or ""
            finish_reason = choice.get("finish_reason")
            if text or finish_reason:
                found.append(Delta(text, finish_reason=finish_reason))
    return found


def _usage(reader: Reader) -> Delta:
    """The tokens that the engine reports, or else the number of events as those of the answer."""
    usage = reader.usage or {}
    return Delta("", usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or reader.events)


def _http_error(spec: ModelSpec, status: int, body: bytes | None) -> Capibara6Error:
    quoted = (body or b"")[:QUOTED_BYTES].decode("utf-8", "replace")
    return UpstreamFailed(f"the engine of {spec.id} answered HTTP {status}: {quoted}", source="engine")
