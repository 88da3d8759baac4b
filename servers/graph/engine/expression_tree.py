"""Walking expression trees: what they hold, and copies with parts replaced.

They are defined in `language`.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

from servers.graph.functions.registry import AGGREGATES
from servers.graph.language import expressions as e
from servers.graph.language.patterns import EdgePattern, NodePattern, PathPattern

_FIELDS: dict[type, tuple[str, ...]] = {}
_PATTERNS = (PathPattern, NodePattern, EdgePattern)


def names_of(kind: type) -> tuple[str, ...]:
    """The field names of a node's class."""
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(part.name for part in fields(kind))
    return _FIELDS[kind]


def walk(node: Any) -> Iterator[e.Expr]:
    """The expression and all inside it, outermost first. Patterns' properties count as inside."""
    if isinstance(node, e.Expr):
        yield node
        if type(node) is e.Const or type(node) is e.Label:
            return
        for name in names_of(type(node)):
            yield from walk(getattr(node, name))
    elif isinstance(node, list | tuple):
        for item in node:
            yield from walk(item)
    elif isinstance(node, _PATTERNS):
        for name in names_of(type(node)):
            yield from walk(getattr(node, name))


def rewrite(node: Any, change: Callable[[e.Expr], e.Expr | None]) -> Any:
    """A copy in which `change` replaced what it did not answer with None; replaced parts are not entered."""
    if isinstance(node, e.Expr):
        changed = change(node)
        if changed is not None:
            return changed
        if type(node) is e.Const or type(node) is e.Label:
            return node
        made = type(node).__new__(type(node))
        for name in names_of(type(node)):
            setattr(made, name, rewrite(getattr(node, name), change))
        return made
    if isinstance(node, list | tuple):
        return type(node)([rewrite(item, change) for item in node])
    return node


def is_aggregate(node: e.Expr) -> bool:
    """Whether the node itself is a call of an aggregate function."""
    if not isinstance(node, e.Call):
        return False
    name = node.name.lower()
    if name not in AGGREGATES:
        return False
    # bit_and and its kin take two arguments as plain functions, one as aggregates.
    return node.star or len(node.arguments) == 1


def has_aggregate(node: e.Expr) -> bool:
    """Whether an aggregate function is called anywhere in the expression."""
    return any(is_aggregate(part) for part in walk(node))


def is_constant(node: e.Expr) -> bool:
    """Whether the expression reads no column, element or label; parameters and calls may be in it."""
    moving = (e.Attr, e.Label, e.Ref, e.PathExpr, e.Star)
    return not any(isinstance(part, moving) for part in walk(node))


def inputs(*nodes: Any) -> tuple[bool, set[str]]:
    """`(uses $-, names of $variables whose columns are read)`."""
    uses_input, names = False, set()
    for node in nodes:
        for part in walk(node):
            match part:
                case e.Attr(left=e.Ref(what="$-")) | e.Star(left=e.Ref(what="$-")) | e.Ref(what="$-"):
                    uses_input = True
                case e.Attr(left=e.Variable(name=name)) | e.Star(left=e.Variable(name=name)):
                    names.add(name)
    return uses_input, names
