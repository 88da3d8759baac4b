"""Templates of parsed statements: syntax trees whose literals are slots, and filling them."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

from servers.graph.errors import NgqlSyntaxError
from servers.graph.language.lexer import MAX_INT, Slot, _decimal, unescape
from servers.graph.language.statements import Statement

Fill = Callable[[list[Any]], Any]


class Template:
    """Statements with `Slot`s. `fill` makes fresh statements and never changes the template."""

    def __init__(self, statements: list[Statement]) -> None:
        self.statements = statements
        self._fill = _filler(statements)

    def fill(self, literals: list[str]) -> list[Statement]:
        """Raises `NgqlSyntaxError` for an integer out of range."""
        return self._fill([read_literal(literal) for literal in literals]) if self._fill else self.statements

    @staticmethod
    def accepts(literals: list[str]) -> bool:
        """Whether the literals are what the template took them for; 2^63 needs a minus before it."""
        return not any(len(literal) > 18 and literal.isdigit() for literal in literals)


class ExpressionTemplate:
    """One expression with slots, to be filled many times."""

    def __init__(self, node: Any) -> None:
        self._node, self._fill = node, _filler(node)

    def fill(self, values: list[Any]) -> Any:
        """The expression with the values in its slots; the template itself where there are none."""
        return self._fill(values) if self._fill else self._node


def read_literal(literal: str) -> Any:
    """The value of a literal's text. Raises `NgqlSyntaxError` for an integer out of range."""
    if literal[0] in "\"'":
        return unescape(literal)
    if not literal.isdigit():
        return float(literal)
    number = _decimal(literal)
    if number > MAX_INT:
        raise NgqlSyntaxError(f"Out of range: near `{literal}'")
    return number


def _filler(node: Any) -> Fill | None:
    if isinstance(node, Slot):
        index = node.index
        return lambda values: values[index]
    if isinstance(node, list | tuple):
        return _sequence(node)
    if is_dataclass(node) and not isinstance(node, type):
        return _node(node)
    if isinstance(node, dict):
        inner = _sequence(list(node.items()))
        return (lambda values: dict(inner(values))) if inner else None
    return None


def _sequence(node: list[Any] | tuple[Any, ...]) -> Fill | None:
    fillers = [_filler(item) for item in node]
    if not any(fillers):
        return None
    pairs, kind = list(zip(fillers, node, strict=True)), type(node)
    return lambda values: kind([fill(values) if fill else item for fill, item in pairs])


def _node(node: Any) -> Fill | None:
    kind: Any = type(node)
    parts = [(part.name, getattr(node, part.name)) for part in fields(node)]
    fillers = [(name, _filler(value)) for name, value in parts]
    moving = [(name, fill) for name, fill in fillers if fill]
    if not moving:
        return None
    still = [(name, value) for (name, value), (_, fill) in zip(parts, fillers, strict=True) if not fill]

    def fill(values: list[Any]) -> Any:
        made = kind.__new__(kind)
        for name, value in still:
            setattr(made, name, value)
        for name, filler in moving:
            setattr(made, name, filler(values))
        return made

    return fill
