"""Translates SQLSTATE codes into our errors: the caller's own, a limit that it met, a store in trouble. Pure.

Classes and codes: PostgreSQL's documentation, appendix A.
"""

import psycopg

from tools.errors import (
    BadRequest,
    Capibara6Error,
    Forbidden,
    StorageFull,
    StoreUnavailable,
    TooLarge,
    UpstreamFailed,
)

DISK_FULL = ("53100", "58030")
TEMP_FILE_LIMIT = "53400"
CANCELLED = "57014"
# A protocol error by its class, though all that is wrong is the number of params.
WRONG_PARAM_COUNT = "08P01"
PARAM_ERRORS = (psycopg.DataError, psycopg.ProgrammingError)
CALLER_CLASSES = ("22", "23", "25", "42", "0A", "21", "54", "P0", "26", "34")
BUSY_CLASSES = ("40", "53", "55")


def translated(exc: psycopg.Error | None, *, skip: int, limit_ms: int) -> Capibara6Error | None:
    """The error to answer with; None when the server or the connection to it is gone.

    `skip` is how many characters stand before the caller's statement. Neither values nor names are in it.
    """
    state = (exc.sqlstate if exc else None) or ""
    if state == WRONG_PARAM_COUNT or (not state and isinstance(exc, PARAM_ERRORS)):
        message = "the params do not fit the query"
        return BadRequest(message, param="params", source="postgres", code="invalid_value")
    if not state or (state[:2] in ("08", "57") and state != CANCELLED):
        return None
    position = exc.diag.statement_position if exc else None
    where = f" at position {max(0, int(position) - 1 - skip)}" if position else ""
    return _by_state(state, f"the statement failed (SQLSTATE {state}{where})", limit_ms)


def _by_state(state: str, message: str, limit_ms: int) -> Capibara6Error:  # noqa: PLR0911  (a table of states)
    if state == CANCELLED:
        return TooLarge(f"the statement took longer than {limit_ms} ms", source="postgres", param="query")
    if state == TEMP_FILE_LIMIT:
        return TooLarge("the statement needs too much temporary space", source="postgres", param="query")
    if state in DISK_FULL:
        return StorageFull(message, source="postgres")
    if state == "42501":
        return Forbidden(message, source="postgres", param="query")
    if state[:2] in CALLER_CLASSES:
        return BadRequest(message, source="postgres", param="query", code="invalid_query")
    if state[:2] in BUSY_CLASSES:
        return StoreUnavailable(message, source="postgres", retry_after=1)
    return UpstreamFailed(message, source="postgres")
