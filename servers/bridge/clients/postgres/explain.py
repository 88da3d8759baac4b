"""EXPLAIN for tenants: the plan without the planner's estimates, which count every tenant's rows."""

from postgast.pg_query_pb2 import Token

from servers.bridge.clients.postgres.syntax_tree import words

SELECTS = frozenset({Token.SELECT, Token.WITH, Token.VALUES, Token.TABLE, Token.ASCII_40})
"""How what is explained may begin: where the list of EXPLAIN's options is not."""


def without_costs(statement: str) -> str:
    """A checked EXPLAIN, as one that shows no estimates."""
    found = words(statement)
    if found[1].kind == Token.ASCII_40 and found[2].kind not in SELECTS:
        closing = next(word.start for word in found if word.kind == Token.ASCII_41)
        return f"{statement[:closing]}, COSTS off{statement[closing:]}"
    verbose = found[1].kind == Token.VERBOSE
    return f"EXPLAIN ({'VERBOSE, ' if verbose else ''}COSTS off) {statement[found[1 + verbose].start :]}"
