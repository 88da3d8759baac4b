"""Picking among what a grammar rule matched: kept tokens, trees, names and `(name, value)` pairs."""

from collections.abc import Iterable
from typing import Any, TypeVar

from lark import Token

T = TypeVar("T")


def without_tokens(parts: Iterable[Any]) -> list[Any]:
    """The parts but for keywords and punctuation."""
    return [part for part in parts if not isinstance(part, Token)]


def first_of(parts: Iterable[Any], kind: type[T]) -> T | None:
    """The first part of a type, or None."""
    return next((part for part in parts if isinstance(part, kind)), None)


def named_parts(parts: Iterable[Any]) -> dict[str, Any]:
    """The parts that are `(name, value)` pairs, such as `("where", expression)`; the last of a name wins."""
    return {
        part[0]: part[1]
        for part in parts
        if isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], str)
    }


def has_flag(parts: Iterable[Any], name: str) -> bool:
    """Whether the part `(name, True)` is there."""
    return (name, True) in [part for part in parts if isinstance(part, tuple)]


def names_in(parts: Iterable[Any]) -> list[str]:
    """The parts that are names or words, in order; keywords that are tokens do not count."""
    return [part for part in parts if isinstance(part, str) and not isinstance(part, Token)]


def kind_and_name(parts: Iterable[Any]) -> tuple[str, str]:
    """`(TAG | EDGE, name)` of a rule that has just these two."""
    kind, name = names_in(parts)
    return kind, name
