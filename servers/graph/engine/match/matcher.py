"""Runs one MATCH clause over rows: its patterns one after another, then WHERE; OPTIONAL keeps all rows."""

from collections.abc import Iterator
from typing import Any

from servers.graph.engine.access.reader import GraphReader
from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.execution import Row
from servers.graph.engine.expression_tree import rewrite
from servers.graph.engine.frame import Frame
from servers.graph.engine.match.bindings import EDGE, EDGES, NODE, VALUE, MatchScope
from servers.graph.engine.match.pattern import KIND_NAMES, Pattern, prepare
from servers.graph.engine.match.shortest import shortest
from servers.graph.engine.match.start_finder import Start, choose_start
from servers.graph.engine.match.traversal import PatternTraversal, Step, expand_order
from servers.graph.engine.plan import Context
from servers.graph.engine.scope import Leaf
from servers.graph.engine.type_check import checked_filter
from servers.graph.errors import ExecutionError, SemanticError
from servers.graph.language import expressions as e
from servers.graph.language import patterns as p
from servers.graph.language import statements as s
from servers.graph.values.operators import truth
from servers.graph.values.types import NULL, Empty, Null


class Matcher:
    """A planned MATCH clause. Raises `SemanticError`."""

    def __init__(self, clause: s.MatchClause, scope: MatchScope, context: Context) -> None:
        self.before = len(scope.aliases)
        # With nothing before it, there is no row to keep.
        self.optional = clause.optional and self.before > 0
        self.patterns: list[tuple[Pattern, Start, list[Step]]] = []
        for path in clause.paths:
            known = scope.copy()
            pattern = prepare(path, scope, context)
            start = choose_start(pattern, clause.where, known, context)
            self.patterns.append((pattern, start, expand_order(pattern, start.node)))
        self.width = len(scope.aliases)
        self.where: Evaluate | None = None
        if clause.where is not None:
            condition = as_condition(clause.where)
            self.condition = clause.where
            self.where = compile_expr(checked_filter(condition, scope), scope)

    def rows(self, reader: GraphReader, rows: Iterator[Row]) -> Iterator[Row]:
        """Input rows extended by the new aliases."""
        frame = Frame(reader.run)
        frame.reader = reader
        padding = [NULL] * (self.width - self.before)
        for row in rows:
            found = False
            for made in self._match(reader, frame, [*row, *padding], 0):
                frame.row = made
                if self.where is None or holds(self.where(frame), self.condition):
                    found = True
                    yield made
            if self.optional and not found:
                yield [*row, *padding]

    def _match(self, reader: GraphReader, frame: Frame, row: Row, at: int) -> Iterator[Row]:
        if at == len(self.patterns):
            yield row
            return
        pattern, start, order = self.patterns[at]
        frame.row = row
        if pattern.shortest:
            for made in shortest(pattern, start, reader, frame, row):
                yield from self._match(reader, frame, made, at + 1)
            return
        traversal = PatternTraversal(pattern, order, reader, frame_for(frame, row))
        for _ in traversal.matches(start.node, start.find(reader, traversal.frame)):
            reader.run.tick()
            yield from self._match(reader, frame, bind(pattern, traversal, row), at + 1)


def holds(value: Any, condition: e.Expr) -> bool:
    """Whether a WHERE keeps the row. Raises `ExecutionError` for what is no truth."""
    if value is True or value is False:
        return value
    if isinstance(value, Null | Empty | list):
        return truth(value) is True
    raise ExecutionError(
        f"Failed to evaluate condition: {condition.text()}. For boolean conditions, please write in their "
        "full forms like <condition> == <true/false> or <condition> IS [NOT] NULL."
    )


def frame_for(frame: Frame, row: Row) -> Frame:
    """A frame of its own: patterns are traversed lazily, while others move on."""
    made = Frame(frame.run, row)
    made.reader, made.locals = frame.reader, frame.locals
    return made


def bind(pattern: Pattern, traversal: PatternTraversal, row: Row) -> Row:
    """The row with the match's aliases in their columns."""
    made = row[:]
    for node, vertex in zip(pattern.nodes, traversal.nodes, strict=True):
        if node.column is not None:
            made[node.column] = vertex
    for link, found in zip(pattern.links, traversal.edges, strict=True):
        if link.column is not None:
            made[link.column] = found
    if pattern.path_column is not None:
        made[pattern.path_column] = traversal.path
    return made


# ---------------------------------------------------------------- patterns inside expressions


def as_condition(node: e.Expr) -> e.Expr:
    """Where a truth is wanted, a pattern stands for whether it has a match."""
    match node:
        case e.PathExpr():
            return e.Binary("!=", node, e.ListLiteral([]))
        case e.Binary(op="AND" | "OR" | "XOR" as op, left=left, right=right):
            return e.Binary(op, as_condition(left), as_condition(right))
        case e.Unary(op="!", operand=operand):
            return e.Unary("!", as_condition(operand))
    return rewrite(node, _existence)


def _existence(node: e.Expr) -> e.Expr | None:
    match node:
        case e.Call(name=name, arguments=[e.PathExpr() as pattern]) if name.lower() == "exists":
            return e.Binary("!=", pattern, e.ListLiteral([]))
    return None


def _check_known(part: p.NodePattern | p.EdgePattern, scope: MatchScope) -> None:
    name = part.alias
    if name is None or name in scope.locals:
        return
    if name not in scope.aliases:
        raise SemanticError(f"PatternExpression are not allowed to introduce new variables: `{name}'.")
    if isinstance(part, p.EdgePattern) and part.hops is not None and scope.kinds[name] == EDGES:
        raise SemanticError(
            f"Unsupported type of variable '{name}` used in multiple patterns: list of edges."
        )
    wanted = NODE if isinstance(part, p.NodePattern) else EDGE if part.hops is None else EDGES
    kind = scope.kinds[name]
    if kind not in (wanted, VALUE):
        defined = f"`{name}' is defined with type {KIND_NAMES[kind]}"
        raise SemanticError(f"{defined}, but referenced with type {KIND_NAMES[wanted]}")


def compile_pattern(node: e.PathExpr, scope: MatchScope, context: Context) -> Leaf:
    """A pattern as a value: the list of its paths. Raises `SemanticError` where it would introduce names."""
    path: p.PathPattern = node.path
    for part in [*path.nodes, *path.edges]:
        _check_known(part, scope)
    inner, extra = scope.copy(), sorted(scope.locals - {"\0"})
    # Loop variables come behind the row's columns, and hide aliases of their names.
    for at, name in enumerate(extra):
        inner.add(name, VALUE)
        inner.aliases[name] = len(scope.aliases) + at
    pattern = prepare(path, inner, context)
    start = choose_start(pattern, None, inner, context)
    order, width = expand_order(pattern, start.node), len(scope.aliases)

    def run(frame: Frame) -> Any:
        row = [*frame.row[:width], *(frame.locals.get(name, NULL) for name in extra)]
        traversal = PatternTraversal(pattern, order, frame.reader, frame_for(frame, row))
        return [
            traversal.path for _ in traversal.matches(start.node, start.find(frame.reader, traversal.frame))
        ]

    return run
