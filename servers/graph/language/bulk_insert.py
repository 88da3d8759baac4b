"""Bulk INSERT: many rows of one shape are parsed as one, their literals kept in columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from servers.graph.language import expressions as e
from servers.graph.language.lexer import Slot
from servers.graph.language.template import read_literal

HEAD = re.compile(r"\s*INSERT\s+(?:VERTEX|EDGE)\b[^\0]*?\bVALUES\s*", re.IGNORECASE)
COMMA = re.compile(r"\s*,\s*")


@dataclass(slots=True)
class LiteralBlock:
    """The literals of `count` rows alike; a row of the template has `width` of them."""

    literals: list[str]
    width: int
    count: int

    def column(self, expr: e.Expr) -> Sequence[Any] | None:
        """One value a row for an item of the template; None for what must be evaluated row by row."""
        match expr:
            case e.Const(value=Slot(index=index)):
                return _read(self.literals[index :: self.width])
            case e.Unary(op="-", operand=e.Const(value=Slot(index=index))):
                found = _read(self.literals[index :: self.width])
                return None if isinstance(found[0], str) else [-value for value in found]
            case e.Const(value=value):
                return [value] * self.count
        return None

    def row(self, at: int) -> list[Any]:
        """The literals' values of one row."""
        return [read_literal(literal) for literal in self.literals[at * self.width : (at + 1) * self.width]]


def _read(column: list[str]) -> list[Any]:
    joined = "".join(column)
    if joined[0] == '"' and "\\" not in joined:
        return [literal[1:-1] for literal in column]
    if joined.isdigit() and not any(literal[0] == "0" for literal in column):
        return [read_literal(literal) if len(literal) > 18 else int(literal) for literal in column]
    return [read_literal(literal) for literal in column]


def single_row_statement(skeleton: str) -> tuple[str, int] | None:
    """`(the statement with its first row only, number of rows)` when all rows have one shape, else None."""
    head = HEAD.match(skeleton)
    if head is None:
        return None
    body = skeleton[head.end() :].rstrip("; \t\r\n")
    end = body.find(")") + 1
    comma = COMMA.match(body, end)
    if comma is None:
        return None
    unit = comma[0] + body[:end]
    more, rest = divmod(len(body) - end, len(unit))
    if rest or body[end:] != unit * more:
        return None
    return head[0] + body[:end], more + 1
