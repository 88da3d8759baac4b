"""Projection and aggregation: the columns of YIELD, WITH and RETURN, DISTINCT, and groups of aggregates."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.execution import Execution, Row, Rows
from servers.graph.engine.expression_tree import has_aggregate, is_aggregate, is_constant, rewrite, walk
from servers.graph.engine.frame import Frame
from servers.graph.engine.scope import Scope
from servers.graph.engine.type_check import deduce, fold
from servers.graph.errors import NgqlSyntaxError, SemanticError
from servers.graph.functions.aggregates import aggregate
from servers.graph.functions.registry import RANDOM
from servers.graph.language import expressions as e
from servers.graph.language.statements import Column
from servers.graph.values.types import NULL, identity, row_identity


@dataclass(slots=True)
class CompiledProjection:
    """Compiled columns, their names and deduced types. `groups` is None where no aggregate stands."""

    names: list[str]
    types: list[str]
    columns: list[Evaluate]
    distinct: bool
    groups: "HashAggregate | None" = None

    def row(self, frame: Frame) -> Row:
        """The row for one frame; for projections without aggregates."""
        return [column(frame) for column in self.columns]

    def rows(self, frames: Iterable[Frame], run: Execution) -> Rows:
        """The rows for a stream of frames; a frame may be the same object again.

        Raises `QueryKilled`, `MemoryExceeded`.
        """
        if self.groups is not None:
            made = self.groups.rows(frames, run)
        else:
            made = []
            columns = self.columns
            for frame in frames:
                made.append([column(frame) for column in columns])
                run.account_growth(len(made), made[-1])
        return run.account_rows(distinct_rows(made) if self.distinct else made)


def distinct_rows(rows: Rows) -> Rows:
    """The rows without repeats, in the order of last occurrence."""
    return list({row_identity(row): row for row in reversed(rows)}.values())[::-1]


@dataclass(slots=True)
class AggregateCall:
    """A call of an aggregate function; `argument` is None for `count(*)`."""

    name: str
    argument: Evaluate | None
    distinct: bool


@dataclass(slots=True)
class HashAggregate:
    """Hash aggregation by `keys`.

    Each column is either plain, of the group's first row, or over aggregates.
    """

    keys: list[Evaluate]
    plain: list[Evaluate | None]
    combined: list[Evaluate | None]
    aggregates: list[AggregateCall]

    def rows(self, frames: Iterable[Frame], run: Execution) -> Rows:
        """One row a group, in order of first occurrence; without keys one row even of no frames."""
        groups: dict[Any, tuple[Row, list[Row], Any]] = {}
        late = Frame(run)
        for count, frame in enumerate(frames):
            key = tuple(identity(evaluate(frame)) for evaluate in self.keys)
            found = groups.get(key)
            if found is None:
                plain = [column(frame) if column else None for column in self.plain]
                found = groups[key] = (plain, [], frame.row)
                late.reader = frame.reader
            found[1].append([item.argument(frame) if item.argument else 1 for item in self.aggregates])
            run.account_growth(count, found[1][-1])
        if not groups and not self.keys:
            frame = Frame(run, [])
            groups[()] = ([_over_no_rows(column, frame) for column in self.plain], [], None)
        return [self._row(first, values, late, row) for first, values, row in groups.values()]

    def _row(self, first: Row, values: list[Row], frame: Frame, row: Any) -> Row:
        """Beside its aggregates, a mixed column sees the group's first row."""
        frame.row, frame.locals = row, {}
        for at, item in enumerate(self.aggregates):
            column = [value[at] for value in values]
            frame.locals[_slot(at)] = aggregate(item.name, column, distinct=item.distinct)
        return [
            (combined(frame) if row is not None else _over_no_rows(combined, frame)) if combined else value
            for combined, value in zip(self.combined, first, strict=True)
        ]


def _over_no_rows(column: Evaluate | None, frame: Frame) -> Any:
    if column is None:
        return None
    try:
        return column(frame)
    except (IndexError, AttributeError, TypeError):
        return NULL


def _slot(at: int) -> str:
    return f"\0{at}"


def compile_projection(
    columns: list[Column],
    scope: Scope,
    *,
    distinct: bool = False,
    keys: list[e.Expr] | None = None,
) -> CompiledProjection:
    """Compile columns. `keys` are GROUP BY's; without them plain columns group.

    Raises `SemanticError`, `NgqlSyntaxError`.
    """
    expanded = [part for column in columns for part in _expand_star(column, scope)]
    names = [column.name for column in expanded]
    exprs = [fold(column.expr) for column in expanded]
    types = [deduce(expr, scope) for expr in exprs]
    if keys is None and not any(map(has_aggregate, exprs)):
        return CompiledProjection(names, types, [compile_expr(expr, scope) for expr in exprs], distinct)
    if keys is None:
        keys = [expr for expr in exprs if not has_aggregate(expr) and not is_constant(expr)]
    return CompiledProjection(names, types, [], distinct, _groups(exprs, keys, scope))


def _expand_star(column: Column, scope: Scope) -> list[Column]:
    match column.expr:
        case e.Star(left=left):
            if scope.columns is None:
                raise SemanticError(f"`{column.expr.text()}', not exist prop `*'")
            return [Column(e.Attr(left, name)) for name in scope.columns]
    return [column]


def _groups(exprs: list[e.Expr], keys: list[e.Expr], scope: Scope) -> HashAggregate:
    aggregates: list[AggregateCall] = []
    plain: list[Evaluate | None] = []
    combined: list[Evaluate | None] = []
    for expr in exprs:
        if not has_aggregate(expr):
            plain.append(compile_expr(expr, scope))
            combined.append(None)
            continue
        plain.append(None)
        combined.append(_combine(expr, scope, aggregates))
    return HashAggregate([compile_expr(key, scope) for key in keys], plain, combined, aggregates)


def _combine(expr: e.Expr, scope: Scope, aggregates: list[AggregateCall]) -> Evaluate:
    def change(node: e.Expr) -> e.Expr | None:
        if not isinstance(node, e.Call) or not is_aggregate(node):
            return None
        aggregates.append(_aggregate(node, scope))
        return e.Label(_slot(len(aggregates) - 1))

    rewritten = rewrite(expr, change)
    for at in range(len(aggregates)):
        scope = scope.with_local(_slot(at))
    return compile_expr(rewritten, scope)


def _aggregate(node: e.Call, scope: Scope) -> AggregateCall:
    name = node.name.lower()
    if node.star:
        return AggregateCall(name, None, node.distinct)
    argument = node.arguments[0]
    if has_aggregate(argument):
        raise SemanticError(f"Aggregate function nesting is not allowed: `{node.text()}'")
    for part in walk(argument):
        if isinstance(part, e.Call) and part.name.lower() in RANDOM:
            raise NgqlSyntaxError(
                "Can't use non-deterministic (random) functions inside of aggregate functions "
                f"near `{argument.text()}'"
            )
    return AggregateCall(name, compile_expr(argument, scope), node.distinct)
