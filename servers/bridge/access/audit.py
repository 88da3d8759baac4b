"""The audit log: one line a request: key, tenant, route, statement's fingerprint, rows, time, status.

Neither literals nor secrets are in it: a statement is a fingerprint of its shape, a path is its route. So it
goes past the cleaning that other logs need, which would cost each request more than authentication does.
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

from servers.bridge.clients.nebula.statement_check import shape as ngql_shape

THREAD_CHARS = 2_000
"""Statements up to so long are fingerprinted sooner than a thread is woken."""


@dataclass
class AuditEntry:
    """What only the handler knows of a request: the statement's fingerprint, the rows of the answer."""

    statement: str | None = None
    rows: int | None = None

    async def set_statement(self, fingerprint_of: Callable[[str], str], query: str) -> None:
        """Keep the statement's fingerprint, made by `sql` or `ngql`."""
        if len(query) <= THREAD_CHARS:
            self.statement = _fingerprint_short(fingerprint_of, query)
        else:
            self.statement = await asyncio.to_thread(fingerprint_of, query)


class Audit:
    """Writes JSON lines to the error stream, as every log here; `level` as "INFO"."""

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
        """Write the line of a request (an ASGI scope) that is over, or about to be."""
        state = scope.get("state", {})
        principal, entry = state.get("principal"), state.get("audit_entry") or AuditEntry()
        self.log.info(
            "request",
            key=principal.key_id if principal else None,
            tenant=principal.tenant if principal else None,
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
    return hashlib.blake2b(ngql_shape(query).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@lru_cache(maxsize=256)
def _fingerprint_short(fingerprint_of: Callable[[str], str], query: str) -> str:
    return fingerprint_of(query)
