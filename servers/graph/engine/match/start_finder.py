"""Chooses where a pattern's traversal starts: bound vertices, vids, index seek, edge type or full scan."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from servers.graph.engine.access.predicate_pushdown import (
    MIRRORED,
    Condition,
    conjuncts,
    has_usable_index,
    where_sql,
)
from servers.graph.engine.access.reader import GraphReader
from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.expression_tree import walk
from servers.graph.engine.frame import Frame
from servers.graph.engine.match.bindings import MatchScope
from servers.graph.engine.match.pattern import Link, Node, Pattern
from servers.graph.engine.plan import Context
from servers.graph.errors import ExecutionError
from servers.graph.language import expressions as e
from servers.graph.storage.schema import SchemaDef
from servers.graph.values.text import text_of_constant
from servers.graph.values.types import Empty, NSet, Null, Vertex, type_name

Find = Callable[[GraphReader, Frame], Iterable[Any]]


@dataclass(slots=True)
class Start:
    """A start of a traversal: which node of the pattern, what finds its vids, and its cost (0 is best)."""

    node: int
    cost: int
    find: Find


def choose_start(pattern: Pattern, where: e.Expr | None, before: MatchScope, context: Context) -> Start:
    """The cheapest start; at worst every vertex, one after another, so that a LIMIT still ends early."""
    parts = conjuncts(where)
    found = [_at_node(at, node, parts, before, context) for at, node in enumerate(pattern.nodes)]
    found += [
        start for start in (_at_link(at, link, context) for at, link in enumerate(pattern.links)) if start
    ]
    return min(found, key=lambda start: start.cost)


def _at_node(at: int, node: Node, parts: list[e.Expr], before: MatchScope, context: Context) -> Start:
    if node.bound is not None:
        return Start(at, 0, _bound(node.bound))
    by_id = _by_id(node.pattern.alias, parts, before)
    if by_id is not None:
        return Start(at, 1, by_id)
    starts = [_at_tag(at, node, label, parts, before, context) for label in node.labels]
    return min(starts, key=lambda start: start.cost, default=Start(at, ALL, _everything))


def _at_tag(
    at: int, node: Node, label: str, parts: list[e.Expr], before: MatchScope, context: Context
) -> Start:
    definition = context.schema.tags[label]
    indexes = context.schema.indexes_of("TAG", label)
    conditions = _conditions(node, definition, parts, before)
    named = [condition.prop for condition, _ in conditions if condition.op == "=="]
    ranged = [condition.prop for condition, _ in conditions]
    cost = 6
    if indexes:
        cost = 4
        if named and has_usable_index(indexes, named):
            cost = 2
        elif ranged and has_usable_index(indexes, ranged):
            cost = 3
    return Start(at, cost, _tagged(definition, conditions))


ALL = 9
"""The cost of looking at every vertex."""


def _everything(reader: GraphReader, _: Frame) -> Iterable[Any]:
    return reader.all_vertices()


def _bound(column: int) -> Find:
    def find(_: GraphReader, frame: Frame) -> Iterable[Any]:
        value = frame.row[column]
        if type(value) is not Vertex and not isinstance(value, Null | Empty):
            text, kind = text_of_constant(value), type_name(value).lower()
            raise ExecutionError(f"Argument only support vertex, but got {text}, whose type is '{kind}'")
        return [value.vid] if type(value) is Vertex else []

    return find


def _by_id(alias: str | None, parts: list[e.Expr], before: MatchScope) -> Find | None:
    """From `id(v) == x`, `id(v) IN xs`, and from such joined by OR."""
    if alias is None:
        return None
    for part in parts:
        values = _wanted_ids(alias, part, before)
        if values is not None:
            return _ids([compile_expr(value, before) for value in values])
    return None


def _wanted_ids(alias: str, part: e.Expr, before: MatchScope) -> list[e.Expr] | None:
    """The vids, or lists of them, of which the vertex must be one; None where the part does not say."""
    match part:
        case e.Binary(op="OR", left=left, right=right):
            one, other = _wanted_ids(alias, left, before), _wanted_ids(alias, right, before)
            return None if one is None or other is None else one + other
        case e.Binary(op="AND", left=left, right=right):
            one = _wanted_ids(alias, left, before)
            return one if one is not None else _wanted_ids(alias, right, before)
        case e.Binary(op="==" | "IN", left=e.Call(name=name, arguments=[e.Label(name=used)]), right=value):
            pass
        case e.Binary(op="==", left=value, right=e.Call(name=name, arguments=[e.Label(name=used)])):
            pass
        case _:
            return None
    return [value] if used == alias and name.lower() == "id" and _known(value, before) else None


def _known(value: e.Expr, before: MatchScope) -> bool:
    """Whether the expression needs only names that are bound already."""
    for part in walk(value):
        if isinstance(part, e.Label) and part.name not in before.aliases:
            return False
        if isinstance(part, e.PathExpr | e.Ref | e.Star):
            return False
    return True


def _ids(wanted: list[Evaluate]) -> Find:
    def find(_: GraphReader, frame: Frame) -> Iterable[Any]:
        found: list[Any] = []
        for evaluate in wanted:
            value = evaluate(frame)
            found += list(value) if isinstance(value, list | NSet) else [value]
        return list(dict.fromkeys(vid for vid in found if type(vid) in (str, int)))

    return find


def _conditions(
    node: Node, definition: SchemaDef, parts: list[e.Expr], before: MatchScope
) -> list[tuple[Condition, Evaluate]]:
    made = [
        (Condition(name, "==", e.Const(None)), value)
        for owner, name, value in node.props
        if owner == definition.name and name in definition.by_name
    ]
    alias, tag = node.pattern.alias, definition.name
    for part in parts:
        match part:
            case e.Binary(
                op=op, left=e.Attr(left=e.Attr(left=e.Label(name=used), name=owner), name=name), right=value
            ) if op in MIRRORED:
                found = Condition(name, op, value)
            case e.Binary(
                op=op, left=value, right=e.Attr(left=e.Attr(left=e.Label(name=used), name=owner), name=name)
            ) if op in MIRRORED:
                found = Condition(name, MIRRORED[op], value)
            case _:
                continue
        if used == alias and owner == tag and name in definition.by_name and _known(value, before):
            made.append((found, compile_expr(value, before)))
    return made


def _tagged(definition: SchemaDef, conditions: list[tuple[Condition, Evaluate]]) -> Find:
    def find(reader: GraphReader, frame: Frame) -> Iterable[Any]:
        values = [(condition, value(frame)) for condition, value in conditions]
        where, bound = where_sql(definition, values)
        return reader.vertices_with_tag(definition.id, where, bound)

    return find


def _at_link(at: int, link: Link, context: Context) -> Start | None:
    """At the near ends of an edge of fixed types; those of an indexed type are found soonest."""
    if link.low == 0:
        return None
    schema = context.schema
    types, direction = None if link.all_types else link.types, link.direction
    names = [schema.edge_ids[kind].name for kind in link.types]
    indexed = types is not None and all(schema.indexes_of("EDGE", name) for name in names)

    def find(reader: GraphReader, _: Frame) -> Iterable[Any]:
        if direction != "both":
            return reader.endpoints(types, "src" if direction == "out" else "dst")
        return _distinct(chain(reader.endpoints(types, "src"), reader.endpoints(types, "dst")))

    return Start(at, 5 if indexed else 8 if types is None else 7, find)


def _distinct(vids: Iterable[Any]) -> Iterable[Any]:
    seen: set[Any] = set()
    for vid in vids:
        if vid not in seen:
            seen.add(vid)
            yield vid
