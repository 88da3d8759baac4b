"""YIELD, WITH and RETURN: columns from rows, with DISTINCT and with groups where aggregates stand."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.expression_walk import has_aggregate, is_aggregate, rewrite, walk
from servers.graph.engine.frame import Frame, Row, Rows, Run
from servers.graph.engine.scope import Scope
from servers.graph.engine.type_check import deduce, fold
from servers.graph.errors import NgqlSyntaxError, SemanticError
from servers.graph.functions.aggregates import aggregate
from servers.graph.functions.table import RANDOM
from servers.graph.language import expressions as e
from servers.graph.language.statements import Column
from servers.graph.values.types import NULL, identity, row_identity

ONE: Any = 1


@dataclass(slots=True)
class Output:
    """Compiled columns. `groups` is None where no aggregate stands."""

    names: list[str]
    types: list[str]
    columns: list[Evaluate]
    distinct: bool
    groups: "Groups | None" = None

    def row(self, frame: Frame) -> Row:
        return [column(frame) for column in self.columns]

    def rows(self, frames: Iterable[Frame], run: Run) -> Rows:
        """The rows for a stream of frames; a frame may be the same object again."""
        if self.groups is not None:
            made = self.groups.rows(frames, run)
        else:
            made = []
            columns = self.columns
            for frame in frames:
                made.append([column(frame) for column in columns])
                run.grow(len(made), made[-1])
        return run.hold(distinct_rows(made) if self.distinct else made)


def distinct_rows(rows: Rows) -> Rows:
    return list({row_identity(row): row for row in reversed(rows)}.values())[::-1]


@dataclass(slots=True)
class Aggregate:
    name: str
    argument: Evaluate | None
    distinct: bool


@dataclass(slots=True)
class Groups:
    """Rows gathered by `keys`; each column is either plain, of the group's first row, or over aggregates."""

    keys: list[Evaluate]
    plain: list[Evaluate | None]
    combined: list[Evaluate | None]
    aggregates: list[Aggregate]

    def rows(self, frames: Iterable[Frame], run: Run) -> Rows:
        groups: dict[Any, tuple[Row, list[Row], Any]] = {}
        for count, frame in enumerate(frames):
            key = tuple(identity(evaluate(frame)) for evaluate in self.keys)
            found = groups.get(key)
            if found is None:
                plain = [column(frame) if column else None for column in self.plain]
                found = groups[key] = (plain, [], frame.row)
            found[1].append([item.argument(frame) if item.argument else ONE for item in self.aggregates])
            run.grow(count, found[1][-1])
        if not groups and not self.keys:
            frame = Frame(run, [])
            groups[()] = ([_on_nothing(column, frame) for column in self.plain], [], None)
        return [self._row(first, values, run, row) for first, values, row in groups.values()]

    def _row(self, first: Row, values: list[Row], run: Run, row: Any) -> Row:
        """Beside its aggregates, a mixed column sees the group's first row."""
        frame = Frame(run, row)
        for at, item in enumerate(self.aggregates):
            column = [value[at] for value in values]
            frame.locals[_slot(at)] = aggregate(item.name, column, distinct=item.distinct)
        return [
            (combined(frame) if row is not None else _on_nothing(combined, frame)) if combined else value
            for combined, value in zip(self.combined, first, strict=True)
        ]


def _on_nothing(column: Evaluate | None, frame: Frame) -> Any:
    if column is None:
        return None
    try:
        return column(frame)
    except (IndexError, AttributeError, TypeError):
        return NULL


def _slot(at: int) -> str:
    return f"\0{at}"


def build_output(
    columns: list[Column],
    scope: Scope,
    *,
    distinct: bool = False,
    keys: list[e.Expr] | None = None,
) -> Output:
    """Compile columns. `keys` are GROUP BY's, else plain columns group. Raises `SemanticError`."""
    spread = [part for column in columns for part in _spread(column, scope)]
    names = [column.name for column in spread]
    exprs = [fold(column.expr) for column in spread]
    types = [deduce(expr, scope) for expr in exprs]
    if keys is None and not any(map(has_aggregate, exprs)):
        return Output(names, types, [compile_expr(expr, scope) for expr in exprs], distinct)
    if keys is None:
        keys = [expr for expr in exprs if not has_aggregate(expr) and not is_constant(expr)]
    return Output(names, types, [], distinct, _groups(exprs, keys, scope))


def _spread(column: Column, scope: Scope) -> list[Column]:
    match column.expr:
        case e.Star(left=left):
            if scope.columns is None:
                raise SemanticError(f"`{column.expr.text()}', not exist prop `*'")
            return [Column(e.Attr(left, name)) for name in scope.columns]
    return [column]


def is_constant(node: e.Expr) -> bool:
    moving = (e.Attr, e.Label, e.Ref, e.PathExpr, e.Star)
    return not any(isinstance(part, moving) for part in walk(node))


def _groups(exprs: list[e.Expr], keys: list[e.Expr], scope: Scope) -> Groups:
    aggregates: list[Aggregate] = []
    plain: list[Evaluate | None] = []
    combined: list[Evaluate | None] = []
    for expr in exprs:
        if not has_aggregate(expr):
            plain.append(compile_expr(expr, scope))
            combined.append(None)
            continue
        plain.append(None)
        combined.append(_combine(expr, scope, aggregates))
    return Groups([compile_expr(key, scope) for key in keys], plain, combined, aggregates)


def _combine(expr: e.Expr, scope: Scope, aggregates: list[Aggregate]) -> Evaluate:
    def change(node: e.Expr) -> e.Expr | None:
        if not isinstance(node, e.Call) or not is_aggregate(node):
            return None
        aggregates.append(_aggregate(node, scope))
        return e.Label(_slot(len(aggregates) - 1))

    rewritten = rewrite(expr, change)
    for at in range(len(aggregates)):
        scope = scope.with_local(_slot(at))
    return compile_expr(rewritten, scope)


def _aggregate(node: e.Call, scope: Scope) -> Aggregate:
    name = node.name.lower()
    if node.star:
        return Aggregate(name, None, node.distinct)
    argument = node.arguments[0]
    if has_aggregate(argument):
        raise SemanticError(f"Aggregate function nesting is not allowed: `{node.text()}'")
    for part in walk(argument):
        if isinstance(part, e.Call) and part.name.lower() in RANDOM:
            raise NgqlSyntaxError(
                "Can't use non-deterministic (random) functions inside of aggregate functions "
                f"near `{argument.text()}'"
            )
    return Aggregate(name, compile_expr(argument, scope), node.distinct)
