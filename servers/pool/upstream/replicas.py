"""The addresses of a remote engine: the least busy one whose circuit is closed is asked."""

from collections.abc import Sequence

from servers.pool.upstream.backend import Endpoint
from servers.pool.upstream.circuit_breaker import CircuitBreaker
from tools.errors import Unavailable


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

    def choose(self, now: float, *, avoid: Replica | None = None) -> Replica:
        """The least busy that may be asked, another than `avoid` where there is one. Raises Unavailable."""
        self._turn += 1
        rotated = self.all[self._turn % len(self.all) :] + self.all[: self._turn % len(self.all)]
        for replica in sorted(rotated, key=lambda replica: (replica is avoid, replica.busy)):
            if replica.breaker.closed(now):
                return replica
        wait = max(1, round(min(replica.breaker.open_until for replica in self.all) - now))
        last = self.all[0].breaker.last_failure
        raise Unavailable(f"the engine failed repeatedly: {last}", source="engine", retry_after=wait)
