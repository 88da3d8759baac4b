"""EXPLAIN for tenants: the plan without the planner's estimates, which count every tenant's rows."""

from pglast.parser import scan

SELECTS = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "ASCII_40"})
"""How what is explained may begin: where the list of EXPLAIN's options is not."""


def without_costs(statement: str) -> str:
    """A checked EXPLAIN, as one that shows no estimates."""
    words = [word for word in scan(statement) if not word.name.endswith("COMMENT")]
    if words[1].name == "ASCII_40" and words[2].name not in SELECTS:
        closing = next(word.start for word in words if word.name == "ASCII_41")
        return f"{statement[:closing]}, COSTS off{statement[closing:]}"
    verbose = words[1].name == "VERBOSE"
    return f"EXPLAIN ({'VERBOSE, ' if verbose else ''}COSTS off) {statement[words[1 + verbose].start :]}"
