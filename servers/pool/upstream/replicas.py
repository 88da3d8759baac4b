"""The addresses of a remote engine: who is asked, so that a conversation meets its own warm prefix.

Each conversation has its order of the replicas, by its head's and their hashes (rendezvous hashing, Thaler
and Ravishankar 1998): one that comes or goes moves nobody else's. The first with a closed circuit and less
than its share of the load is asked (consistent hashing with bounded loads, Mirrokni et al. 2018). What has no
head goes to the least busy. `tests/bench/replicas` measures both.
"""

import hashlib
import math
from collections.abc import Sequence

import orjson

from servers.pool.upstream.backend import Endpoint, UpstreamRequest
from servers.pool.upstream.circuit_breaker import CircuitBreaker
from tools.errors import Unavailable

BOUND = 1.25
"""A replica may hold so many times the mean of the requests that run; beyond it others are asked."""
HEAD_CHARS = 4_096
"""So much of a text counts for the head."""


class Replica:
    """One address, its circuit breaker, and how many requests run on it now (`busy`)."""

    __slots__ = ("breaker", "busy", "endpoint")

    def __init__(self, url: str) -> None:
        # Both http://host and http://host/v1 are written in the wild.
        self.endpoint = Endpoint(url.rstrip("/").removesuffix("/v1"))
        self.busy = 0
        self.breaker = CircuitBreaker()


class Replicas:
    """All addresses of one model."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.all = [Replica(url) for url in urls]
        self._turn = 0

    def choose(self, now: float, *, head: bytes | None = None, avoid: Replica | None = None) -> Replica:
        """Who is asked for a conversation with this `head`, another than `avoid` where there is one.

        Raises Unavailable when no circuit is closed.
        """
        for replica in self._ranked(head, avoid):
            if replica.breaker.closed(now):
                return replica
        wait = max(1, round(min(replica.breaker.open_until for replica in self.all) - now))
        last = self.all[0].breaker.last_failure
        raise Unavailable(f"the engine failed repeatedly: {last}", source="engine", retry_after=wait)

    def _ranked(self, head: bytes | None, avoid: Replica | None) -> list[Replica]:
        if len(self.all) == 1:
            return self.all
        self._turn += 1
        turn = self._turn % len(self.all)
        by_load = sorted(self.all[turn:] + self.all[:turn], key=lambda one: (one is avoid, one.busy))
        if head is None:
            return by_load
        most = math.ceil(BOUND * (sum(one.busy for one in self.all) + 1) / len(self.all))
        own = sorted(self.all, key=lambda one: _weight(head, one), reverse=True)
        return [*(one for one in own if one.busy < most and one is not avoid), *by_load]


def head_of(request: UpstreamRequest) -> bytes | None:
    """What all turns of a conversation begin with: its tools, the system's message and the first question; of
    a text, its beginning. None for what no prefix is kept of."""
    fields = request.fields
    match fields:
        case {"messages": [*messages]}:
            first = next((at for at, one in enumerate(messages) if one.get("role") == "user"), 0)
            said = [one.get("content") for one in messages[: first + 1]]
        case {"prompt": str() as prompt} | {"input": str() as prompt} if request.path != "/v1/embeddings":
            said = [prompt[:HEAD_CHARS]]
        case _:
            return None
    return hashlib.blake2b(orjson.dumps([fields.get("tools"), said]), digest_size=8).digest()


def _weight(head: bytes, replica: Replica) -> bytes:
    return hashlib.blake2b(replica.endpoint.url.encode(), key=head, digest_size=8).digest()
