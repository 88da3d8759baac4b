"""One MATCH clause over rows: its patterns one after another, then WHERE; OPTIONAL keeps all rows."""

from collections.abc import Iterator
from typing import Any

from servers.graph.engine.access.reader import Access
from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.expression_walk import rewrite
from servers.graph.engine.frame import Frame, Row
from servers.graph.engine.match.bindings import MatchScope
from servers.graph.engine.match.pattern import Pattern, prepare
from servers.graph.engine.match.shortest import shortest
from servers.graph.engine.match.start import Start, choose
from servers.graph.engine.match.walker import Step, Walk, order_from
from servers.graph.engine.plan import Context
from servers.graph.engine.scope import Leaf
from servers.graph.engine.type_check import checked_filter
from servers.graph.errors import ExecutionError, SemanticError
from servers.graph.language import expressions as e
from servers.graph.language import statements as s
from servers.graph.values.types import NULL, Empty, Null


class Matcher:
    """A prepared MATCH clause."""

    def __init__(self, clause: s.MatchClause, scope: MatchScope, context: Context, *, may_scan: bool) -> None:
        self.before = len(scope.places)
        # With nothing before it, there is no row to keep.
        self.optional = clause.optional and self.before > 0
        self.patterns: list[tuple[Pattern, Start, list[Step]]] = []
        for path in clause.paths:
            known = scope.copy()
            pattern = prepare(path, scope, context)
            start = choose(pattern, clause.where, known, context, may_scan=may_scan)
            self.patterns.append((pattern, start, order_from(pattern, start.node)))
        self.width = len(scope.places)
        self.where: Evaluate | None = None
        if clause.where is not None:
            condition = as_condition(clause.where)
            self.where = compile_expr(checked_filter(condition, scope), scope)

    def rows(self, access: Access, rows: Iterator[Row]) -> Iterator[Row]:
        """Input rows extended by the new aliases."""
        frame = Frame(access.run)
        frame.tags = access
        padding = [NULL] * (self.width - self.before)
        for row in rows:
            found = False
            for made in self._match(access, frame, [*row, *padding], 0):
                frame.row = made
                if self.where is None or holds(self.where(frame)):
                    found = True
                    yield made
            if self.optional and not found:
                yield [*row, *padding]

    def _match(self, access: Access, frame: Frame, row: Row, at: int) -> Iterator[Row]:
        if at == len(self.patterns):
            yield row
            return
        pattern, start, order = self.patterns[at]
        frame.row = row
        if pattern.shortest:
            for made in shortest(pattern, start, access, frame, row):
                yield from self._match(access, frame, made, at + 1)
            return
        walk = Walk(pattern, order, access, frame_for(frame, row))
        for _ in walk.matches(start.node, start.find(access, walk.frame)):
            access.run.tick()
            yield from self._match(access, frame, bind(pattern, walk, row), at + 1)


def holds(value: Any) -> bool:
    """Whether a WHERE keeps the row. Raises `ExecutionError` for what is no truth."""
    if isinstance(value, bool | Null | Empty):
        return value is True
    raise ExecutionError("Wrong type result, the type should be NULL, EMPTY, BOOL")


def frame_for(frame: Frame, row: Row) -> Frame:
    """A frame of its own: patterns are walked lazily, while others move on."""
    made = Frame(frame.run, row)
    made.tags, made.locals = frame.tags, frame.locals
    return made


def bind(pattern: Pattern, walk: Walk, row: Row) -> Row:
    """The row with the match's aliases in their places."""
    made = row[:]
    for node, vertex in zip(pattern.nodes, walk.nodes, strict=True):
        if node.place is not None:
            made[node.place] = vertex
    for link, found in zip(pattern.links, walk.edges, strict=True):
        if link.place is not None:
            made[link.place] = found
    if pattern.path_place is not None:
        made[pattern.path_place] = walk.path
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


def compile_pattern(node: e.PathExpr, scope: MatchScope, context: Context) -> Leaf:
    """A pattern as a value: the list of its paths. It may not introduce names."""
    path: s.PathPattern = node.path
    for part in [*path.nodes, *path.edges]:
        if part.alias is not None and part.alias not in scope.places and part.alias not in scope.locals:
            raise SemanticError(
                f"PatternExpression are not allowed to introduce new variables: `{part.alias}'."
            )
    inner = scope.copy()
    for name in scope.locals - {"\0"}:
        if name not in inner.places:
            inner.add(name, "NODE")
    pattern = prepare(path, inner, context)
    start = choose(pattern, None, inner, context, may_scan=True)
    order, extra = order_from(pattern, start.node), list(scope.locals - {"\0"} - scope.places.keys())

    def run(frame: Frame) -> Any:
        row = [*frame.row, *(frame.locals.get(name, NULL) for name in extra)]
        walk = Walk(pattern, order, frame.tags, frame_for(frame, row))
        return [walk.path for _ in walk.matches(start.node, start.find(frame.tags, walk.frame))]

    return run
