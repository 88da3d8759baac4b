"""One request on its way through the pool, from the check to the last byte."""

from dataclasses import dataclass, field
from typing import Any

from servers.pool.http.writer import Writer
from servers.pool.scheduling.instance import Reservation


@dataclass(slots=True)
class PoolRequest:
    """One request on its way. `why` says how the serving model was found; `reservation` is its present place,
    `preface` what a stream says before the engine speaks."""

    path: str
    request: dict[str, Any]
    body: bytes
    model: str
    writer: Writer
    stream: bool
    why: list[str] = field(default_factory=list)
    reservation: Reservation | None = None
    preface: bytes = b""

    def headers(self, model: str) -> list[tuple[bytes, bytes]]:
        reservation = self.reservation
        waited, loaded = (reservation.waited_s, reservation.load_s) if reservation else (0.0, 0.0)
        return [
            (b"x-capibara6-model", model.encode()),
            (b"x-capibara6-route", plain("; ".join(self.why)) if self.why else b"asked for"),
            (b"x-capibara6-queue-ms", b"%d" % (waited * 1000)),
            (b"x-capibara6-load-ms", b"%d" % (loaded * 1000)),
        ]


def plain(text: str) -> bytes:
    """A header value: Latin-1, one line."""
    return text.replace("\r", " ").replace("\n", " ").encode("latin-1", "replace")
