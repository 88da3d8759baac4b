"""One line of log a request: who, where, what kind of statement, how many rows, how long, with what end.

Neither literals nor secrets are in it: a statement is a fingerprint of its shape, a path is its route. So it
goes past the cleaning that other logs need, which would cost each request more than the gate itself.
"""

import asyncio
import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
import structlog
from postgast import PgQueryError, fingerprint
from structlog.typing import FilteringBoundLogger

from servers.bridge.clients.nebula.statement_check import shape as words

SHORT = 2_000


@dataclass
class Entry:
    """What only the handler knows of a request."""

    statement: str | None = None
    rows: int | None = None

    async def note(self, shape: Callable[[str], str], query: str) -> None:
        """Note the statement's `shape`, `sql` or `ngql`."""
        if len(query) <= SHORT:
            self.statement = _known(shape, query)
        else:
            self.statement = await asyncio.to_thread(shape, query)


class Audit:
    """Writes to the error stream, as every log here."""

    def __init__(self, level: str) -> None:
        self.log: FilteringBoundLogger = structlog.wrap_logger(
            structlog.BytesLogger(sys.stderr.buffer),
            wrapper_class=structlog.make_filtering_bound_logger(level),
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(serializer=orjson.dumps),
            ],
        )

    def write(self, scope: Any, status: int, seconds: float) -> None:
        """The line of a request that is over, or about to be."""
        state = scope.get("state", {})
        caller, entry = state.get("caller"), state.get("entry") or Entry()
        self.log.info(
            "request",
            key=caller.key_id if caller else None,
            tenant=caller.tenant if caller else None,
            method=scope["method"],
            route=getattr(scope.get("route"), "path", "unmatched"),
            statement=entry.statement,
            rows=entry.rows,
            ms=round(seconds * 1_000, 2),
            status=status,
            level="info",
            logger="audit",
            service="bridge",
        )


def sql(query: str) -> str:
    """A fingerprint of an SQL statement; what can not be parsed has none."""
    try:
        return fingerprint(query).hex
    except (PgQueryError, ValueError):
        return "unparsed"


def ngql(query: str) -> str:
    """A fingerprint of an nGQL text."""
    return hashlib.blake2b(words(query).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@lru_cache(maxsize=256)
def _known(shape: Callable[[str], str], query: str) -> str:
    return shape(query)
