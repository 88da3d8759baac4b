"""How refusals quote a statement: NebulaGraph's parser says `near` and the place, as it was written."""

import re
from collections.abc import Collection
from typing import Any

from lark import Token

from servers.graph.errors import NgqlSyntaxError, QueryError
from servers.graph.functions.registry import AGGREGATES, RANDOM
from servers.graph.language.lexer import CLOSING, OPENING, tokens

LONGEST = 80
"""Characters that are quoted at most."""

SHORT = 8
"""Characters quoted from a token of one character on: the parser takes no end for it."""

CLAUSES = frozenset("MATCH OPTIONAL UNWIND WITH RETURN YIELD WHERE ORDER SKIP LIMIT FROM".split())
ENDS = frozenset({"_SEMICOLON", "_PIPE", "UNION", "INTERSECT", "MINUS"})


class Misplaced(NgqlSyntaxError):
    """A refusal whose place is known while the text is not at hand: offsets of its start and end.

    With `clause` the end is that of the clause which begins there.
    """

    def __init__(self, message: str, start: int, end: int, *, clause: bool = False) -> None:
        super().__init__(message)
        self.said, self.start, self.end, self.clause = message, start, end, clause

    def quoted(self, text: str) -> NgqlSyntaxError:
        """The refusal with the place quoted."""
        if self.clause:
            found = list(tokens(text))
            at = next(at for at, token in enumerate(found) if token.start_pos == self.start)
            return NgqlSyntaxError(f"{self.said} near `{_clause(text, found, at, at + 1)}'")
        return NgqlSyntaxError(f"{self.said} near `{near(text, self.start, self.end)}'")


def near(text: str, start: int, end: int) -> str:
    """What the parser quotes of a token from `start` to `end`."""
    return text[start : start + SHORT if end - start < 2 else min(end, start + LONGEST)]


def _clause(text: str, found: list[Token], start: int, at: int) -> str:
    """The text from token `start` to before the next clause after `at`."""
    depth, end = 0, len(text)
    for token in found[at:]:
        depth += (token.type in OPENING) - (token.type in CLOSING)
        if depth < 0 or (not depth and token.type in CLAUSES | ENDS):
            end = token.start_pos or 0
            break
    return text[found[start].start_pos : end].rstrip()[:LONGEST]


def requoted(error: QueryError, text: str, parameters: Collection[str]) -> QueryError:
    """The refusal as the parser would have given it: earlier, and quoting what was written."""
    try:
        found = list(tokens(text))
    except QueryError:
        return error
    said = error.message.removeprefix(error.prefix)
    for word in ("where", "yield"):
        if said.startswith(f"Invalid use of aggregating function in {word} clause"):
            return _with_clause(error, text, found, word.upper())
    if said.startswith("Can't use non-deterministic"):
        return _with_argument(error, text, found)
    if said.startswith(("Invalid expression `$", "Missing yield clause", "`$-' is not", "`$-.")):
        return _misused_variable(text, found, parameters) or error
    return error


def _with_clause(error: QueryError, text: str, found: list[Token], word: str) -> QueryError:
    for at, token in enumerate(found):
        if token.type == word:
            start = at + 1 + (found[at + 1].type == "DISTINCT")
            clause = _clause(text, found, start, start)
            if re.search(rf"\b({'|'.join(AGGREGATES)})\s*\(", clause, re.IGNORECASE):
                return NgqlSyntaxError(
                    f"Invalid use of aggregating function in {word.lower()} clause. near `{clause}'"
                )
    return error


def _with_argument(error: QueryError, text: str, found: list[Token]) -> QueryError:
    said = "Can't use non-deterministic (random) functions inside of aggregate functions"
    for at, token in enumerate(found[:-1]):
        if str(token).lower() in AGGREGATES and found[at + 1].type == "_LPAR":
            argument = _clause(text, found, at + 2, at + 2)
            if re.search(rf"\b({'|'.join(RANDOM)})\s*\(", argument, re.IGNORECASE):
                return NgqlSyntaxError(f"{said} near `{argument}'")
    return error


VIDS = frozenset({"FROM", "TO", "ON"})
COLUMNS = frozenset({"YIELD", "RETURN"})


def _misused_variable(text: str, found: list[Token], parameters: Collection[str]) -> QueryError | None:
    """The first `$name` that stands where its rows can not: as a vid, or as a column."""
    clause, column = "", 0
    for at, token in enumerate(found):
        following: Any = found[at + 1] if at + 1 < len(found) else None
        if token.type in VIDS | COLUMNS | CLAUSES | ENDS:
            clause, column = token.type, at + 1
        elif token.type in ("_COMMA", "DISTINCT") and clause in COLUMNS:
            column = at + 1
        if token.type not in ("VARIABLE", "INPUT_REF") or (following and following.type == "_DOT"):
            continue
        if token.type == "INPUT_REF" and clause in VIDS:
            place = following or token
            return NgqlSyntaxError(
                f"syntax error near `{near(text, place.start_pos or 0, place.end_pos or 0)}'"
            )
        kind = "Parameter" if token.value in parameters else "Variable"
        if token.type == "VARIABLE" and clause in VIDS and (not following or following.type != "_LSQB"):
            return NgqlSyntaxError(f"{kind} is not supported in vid near `{token}'")
        if token.type == "VARIABLE" and clause in COLUMNS and kind == "Variable":
            quoted = _column(text, found, column)
            return NgqlSyntaxError(f"Direct output of variable is prohibited near `{quoted}'")
    return None


def _column(text: str, found: list[Token], at: int) -> str:
    depth, end = 0, len(text)
    for token in found[at:]:
        depth += (token.type in OPENING) - (token.type in CLOSING)
        if not depth and token.type in CLAUSES | ENDS | {"AS", "_COMMA"}:
            end = token.start_pos or 0
            break
    return text[found[at].start_pos : end].rstrip()[:LONGEST]
