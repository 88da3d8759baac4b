"""One line of log a request: who, where, what kind of statement, how many rows, how long, with what end.

Neither literals nor secrets are in it: a statement is a fingerprint of its shape, a path is its route.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from pglast import fingerprint
from pglast.parser import ParseError

from servers.bridge.ngql import shape
from tools.log import get_logger

log = get_logger("audit")


@dataclass
class Entry:
    """What only the handler knows of a request."""

    statement: str | None = None
    rows: int | None = None

    def sql(self, query: str) -> None:
        """Note the shape of an SQL statement; one that can not be parsed has none."""
        try:
            self.statement = fingerprint(query)
        except (ParseError, RecursionError, ValueError):
            self.statement = "unparsed"

    def ngql(self, query: str) -> None:
        """Note the shape of an nGQL text."""
        self.statement = hashlib.blake2b(shape(query).encode(), digest_size=8).hexdigest()


def write(scope: Any, status: int, seconds: float) -> None:
    """The line of a request that is over, or about to be."""
    state = scope.get("state", {})
    caller, entry = state.get("caller"), state.get("entry") or Entry()
    log.info(
        "request",
        key=caller.key_id if caller else None,
        tenant=caller.tenant if caller else None,
        method=scope["method"],
        route=getattr(scope.get("route"), "path", "unmatched"),
        statement=entry.statement,
        rows=entry.rows,
        ms=round(seconds * 1_000, 2),
        status=status,
    )
