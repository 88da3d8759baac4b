"""Quarantine: the circuit per request. What was with an engine when it died is asked with care, then no more.

A death leaves all requests that the engine had as suspects, told apart by a fingerprint of what they ask. A
suspect is asked while no other suspect is, so that the next death convicts the guilty one alone; an answer
acquits it. After `DEATHS` engines it is refused for `KEPT_S`, whichever model it names.
"""

import asyncio
import hashlib
import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import orjson

from servers.pool.upstream.backend import Reply, UpstreamRequest
from tools.errors import BadRequest, Unavailable

DEATHS = 2
"""So many engines died with it: it is not asked again."""
KEPT_S = 600.0
SUSPECTS = 1024
"""At most so many are remembered, the latest ones."""
ONE_DEATH_S = 5.0
"""What fails at one engine within this time is taken for one death of it."""
TURN_S = 30.0
"""A suspect waits so long for the others before it."""
UNSEEN = frozenset({"model", "stream", "stream_options", "user", "metadata", "seed", "route", "consensus"})
"""Fields that do not change what an engine has to work on."""


@dataclass(slots=True)
class _Suspect:
    died_at: dict[str, float] = field(default_factory=dict[str, float])
    """When each engine last died."""
    deaths: int = 0
    until: float = 0.0


class Quarantine:
    """The suspects of one pool. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._suspects: OrderedDict[bytes, _Suspect] = OrderedDict()
        self._turn = asyncio.Lock()

    def died(self, request: UpstreamRequest, engine: str, now: float) -> None:
        """An engine died that had this request; `engine` is its address, or names one life of it."""
        suspect = self._suspects.setdefault(key := fingerprint(request), _Suspect())
        if now - suspect.died_at.get(engine, -ONE_DEATH_S) >= ONE_DEATH_S:
            suspect.deaths += 1
        suspect.died_at[engine] = now
        suspect.until = now + KEPT_S
        self._suspects.move_to_end(key)
        if len(self._suspects) > SUSPECTS:
            self._suspects.popitem(last=False)

    def answered(self, request: UpstreamRequest) -> None:
        """An engine answered it whole: it is no suspect any more."""
        if self._suspects:
            self._suspects.pop(fingerprint(request), None)

    def admit(self, request: UpstreamRequest, now: float) -> bool:
        """Whether it is a suspect. Raises BadRequest (`poisonous_request`) for one that is convicted."""
        if not self._suspects:
            return False
        suspect = self._suspects.get(key := fingerprint(request))
        if suspect is None:
            return False
        if now >= suspect.until:
            del self._suspects[key]
            return False
        if suspect.deaths >= DEATHS:
            raise BadRequest(
                f"{suspect.deaths} engines died while they had this request: it is not asked again yet",
                source="pool",
                code="poisonous_request",
                retry_after=math.ceil(suspect.until - now),
            )
        return True

    async def turn(self) -> Callable[[], None]:
        """Wait until no other suspect is asked; the caller calls what is returned, once or more, when its
        own engine has spoken. Raises Unavailable when that takes too long."""
        try:
            async with asyncio.timeout(TURN_S):
                await self._turn.acquire()
        except TimeoutError as exc:
            late = "other requests that were with an engine when it died are tried first"
            raise Unavailable(late, source="pool", code="queue_timeout", retry_after=int(TURN_S)) from exc
        held = [self._turn]

        def release() -> None:
            if held:
                held.pop().release()

        return release


def fingerprint(request: UpstreamRequest) -> bytes:
    """What a request asks, whoever asks and whichever model, as 16 bytes."""
    seen = {name: value for name, value in request.fields.items() if name not in UNSEEN}
    asked = orjson.dumps([request.path, seen], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(asked, digest_size=16).digest()


def released(reply: Reply, release: Callable[[], None]) -> Reply:
    """`reply`; the turn is given back with its first bytes, or when it is closed."""
    events, close = reply.events, reply.close
    if events is None:
        release()
        return reply

    async def first_bytes_release(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for part in events:
            release()
            yield part

    def closed() -> None:
        release()
        close()

    reply.events, reply.close = first_bytes_release(events), closed
    return reply
