"""Chooses where a pattern's traversal starts: bound vertices, vids, index seek, edge type or full scan."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
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
from servers.graph.values.types import NSet, Vertex

Find = Callable[[GraphReader, Frame], Iterable[Any]]

NO_START = "Scan vertices or edges need to specify a limit number, or limit number can not push down."


@dataclass(slots=True)
class Start:
    """A start of a traversal: which node of the pattern, what finds its vids, and its cost (0 is best)."""

    node: int
    cost: int
    find: Find


def choose_start(
    pattern: Pattern, where: e.Expr | None, before: MatchScope, context: Context, *, may_scan: bool
) -> Start:
    """The cheapest start. The error of a pattern without one is raised when it runs."""
    parts = conjuncts(where)
    starts = [_at_node(at, node, parts, before, context) for at, node in enumerate(pattern.nodes)]
    found = [start for start in starts if start is not None]
    found += [
        start for start in (_at_link(at, link, context) for at, link in enumerate(pattern.links)) if start
    ]
    if found:
        return min(found, key=lambda start: start.cost)
    if may_scan and scannable(pattern):
        return Start(0, 9, lambda reader, _: reader.all_vertices())
    return Start(0, 10, _refuse)


def scannable(pattern: Pattern) -> bool:
    """Whether a limit bounds the scan: a lone node, or an edge in one direction between nameless nodes."""
    nodes = [node.pattern for node in pattern.nodes]
    if not pattern.links:
        return not (nodes[0].props and not nodes[0].labels)
    bare = all(not node.alias and not node.labels and not node.props for node in nodes)
    link = pattern.links[0]
    return len(pattern.links) == 1 and bare and link.low is None and link.direction != "both"


def _refuse(_reader: GraphReader, _frame: Frame) -> Iterable[Any]:
    raise ExecutionError(NO_START)


def _at_node(at: int, node: Node, parts: list[e.Expr], before: MatchScope, context: Context) -> Start | None:
    if node.bound is not None:
        return Start(at, 0, _bound(node.bound))
    by_id = _by_id(node.pattern.alias, parts, before)
    if by_id is not None:
        return Start(at, 1, by_id)
    # An index knows one tag: with several, the cluster has no start here either.
    for label in node.labels if len(node.labels) == 1 else []:
        definition = context.schema.tags[label]
        indexes = context.schema.indexes_of("TAG", label)
        if indexes:
            conditions = _conditions(node, definition, parts, before)
            named = [condition.prop for condition, _ in conditions if condition.op == "=="]
            ranged = [condition.prop for condition, _ in conditions]
            cost = (
                2
                if named and has_usable_index(indexes, named)
                else 3
                if ranged and has_usable_index(indexes, ranged)
                else 4
            )
            return Start(at, cost, _tagged(definition, conditions))
    return None


def _bound(column: int) -> Find:
    def find(_: GraphReader, frame: Frame) -> Iterable[Any]:
        value = frame.row[column]
        return [value.vid] if type(value) is Vertex else []

    return find


def _by_id(alias: str | None, parts: list[e.Expr], before: MatchScope) -> Find | None:
    """From `id(v) == x` or `id(v) IN xs`."""
    if alias is None:
        return None
    for part in parts:
        match part:
            case e.Binary(
                op="==" | "IN", left=e.Call(name=name, arguments=[e.Label(name=used)]), right=value
            ):
                pass
            case e.Binary(op="==", left=value, right=e.Call(name=name, arguments=[e.Label(name=used)])):
                pass
            case _:
                continue
        if used == alias and name.lower() == "id" and _known(value, before):
            return _ids(compile_expr(value, before))
    return None


def _known(value: e.Expr, before: MatchScope) -> bool:
    """Whether the expression needs only names that are bound already."""
    for part in walk(value):
        if isinstance(part, e.Label) and part.name not in before.aliases:
            return False
        if isinstance(part, e.PathExpr | e.Ref | e.Star):
            return False
    return True


def _ids(evaluate: Evaluate) -> Find:
    def find(_: GraphReader, frame: Frame) -> Iterable[Any]:
        value = evaluate(frame)
        found = list(value) if isinstance(value, list | NSet) else [value]
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
    """At the near ends of an edge type that has an index."""
    if link.all_types or link.low == 0:
        return None
    schema = context.schema
    names = [schema.edge_ids[kind].name for kind in link.types]
    if not all(schema.indexes_of("EDGE", name) for name in names):
        return None
    types, direction = link.types, link.direction

    def find(reader: GraphReader, _: Frame) -> Iterable[Any]:
        if direction != "both":
            return reader.endpoints(types, "src" if direction == "out" else "dst")
        return dict.fromkeys([*reader.endpoints(types, "src"), *reader.endpoints(types, "dst")])

    return Start(at, 5, find)
