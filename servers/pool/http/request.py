"""One model request on its way through the pool, from the check to the last byte, and its headers."""

from dataclasses import dataclass, field

from servers.pool.http.writer import Writer
from servers.pool.scheduling.instance import Reservation
from servers.pool.upstream.backend import UpstreamRequest
from servers.web.door import IGNORED

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class PoolRequest:
    """`model` is asked for, then chosen by the router; `reasons` say how the serving model was found.

    `reservation` is its present place, `first_event` what a stream says before the engine speaks.
    """

    upstream: UpstreamRequest
    """What an engine is asked."""
    model: str
    writer: Writer
    stream: bool
    reasons: list[str] = field(default_factory=list[str])
    reservation: Reservation | None = None
    first_event: bytes = b""
    ignored: tuple[str, ...] = ()
    """Fields of the request that its engine has no meaning for."""

    def headers(self, model: str) -> Headers:
        """Which model answers, why, and how many milliseconds were spent waiting and loading."""
        reservation = self.reservation
        waited, loaded = (reservation.waited_s, reservation.load_s) if reservation else (0.0, 0.0)
        named = [(IGNORED.encode(), ", ".join(self.ignored).encode())] if self.ignored else []
        return [
            *named,
            (b"x-capibara6-model", model.encode()),
            (b"x-capibara6-route", header_value("; ".join(self.reasons)) if self.reasons else b"asked for"),
            (b"x-capibara6-queue-ms", b"%d" % (waited * 1000)),
            (b"x-capibara6-load-ms", b"%d" % (loaded * 1000)),
        ]


def header_value(text: str) -> bytes:
    """A header value: Latin-1, one line."""
    return text.replace("\r", " ").replace("\n", " ").encode("latin-1", "replace")
