"""EXPLAIN for callers: the plan without the planner's estimates, which count everybody's rows."""

from functools import lru_cache

from postgast.pg_query_pb2 import Token

from servers.bridge.clients.postgres.statement_check import check
from servers.bridge.clients.postgres.syntax_tree import words

SELECTS = frozenset({Token.SELECT, Token.WITH, Token.VALUES, Token.TABLE, Token.ASCII_40})
"""How what is explained may begin: where the list of EXPLAIN's options is not."""


def checked(statement: str, sees_costs: bool) -> tuple[str, bool]:
    """What may run, and whether it is an EXPLAIN. Raises BadRequest, as `statement_check.check`."""
    allowed = check(statement)
    is_explain = allowed.lstrip().lower().startswith("explain")
    return without_costs(allowed) if is_explain and not sees_costs else allowed, is_explain


checked_short = lru_cache(maxsize=256)(checked)


def without_costs(statement: str) -> str:
    """A checked EXPLAIN, as one that shows no estimates."""
    found = words(statement)
    if found[1].kind == Token.ASCII_40 and found[2].kind not in SELECTS:
        closing = next(word.start for word in found if word.kind == Token.ASCII_41)
        return f"{statement[:closing]}, COSTS off{statement[closing:]}"
    verbose = found[1].kind == Token.VERBOSE
    return f"EXPLAIN ({'VERBOSE, ' if verbose else ''}COSTS off) {statement[found[1 + verbose].start :]}"
