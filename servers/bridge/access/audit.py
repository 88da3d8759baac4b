"""What the bridge's audit lines say besides those of every door: the statement's fingerprint and the rows.

No literal is in them: a statement is a fingerprint of its shape.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from postgast import PgQueryError, fingerprint

from servers.bridge.clients.nebula.statement_check import shape as ngql_shape
from servers.web.audit import Audit as ServiceAudit
from tools import trace

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
    """The bridge's lines of the audit log (`servers/web/audit.py`), with the statement and the rows."""

    def __init__(self, level: str) -> None:
        self.log = ServiceAudit("bridge", level)

    def write(self, scope: Any, status: int, seconds: float) -> None:
        """Write the line of a request (an ASGI scope) that is over, or about to be."""
        state, served = scope.get("state", {}), trace.current()
        entry = state.get("audit_entry") or AuditEntry()
        self.log.write(
            request_id=served.request_id.decode() if served else "",
            principal=state.get("principal"),
            method=scope["method"],
            route=getattr(scope.get("route"), "path", "unmatched"),
            status=status,
            seconds=seconds,
            statement=entry.statement,
            rows=entry.rows,
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
