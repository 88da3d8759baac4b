"""Plans the whole MATCH statement: clauses pass rows on, RETURN makes the table.

The patterns themselves are the `matcher`'s.
"""

from collections.abc import Callable, Iterator
from typing import Any

from servers.graph.engine.access.reader import GraphReader
from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.execution import Execution, Row, Rows
from servers.graph.engine.expression_tree import has_aggregate, walk
from servers.graph.engine.frame import Frame
from servers.graph.engine.match.bindings import VALUE, MatchScope
from servers.graph.engine.match.matcher import Matcher, as_condition, compile_pattern
from servers.graph.engine.plan import Context, Plan
from servers.graph.engine.scope import Scope
from servers.graph.engine.statements.projection import CompiledProjection, compile_projection
from servers.graph.engine.statements.relational import frames_over, sort_rows
from servers.graph.engine.type_check import checked_filter, constant, deduce, fold
from servers.graph.errors import NgqlSyntaxError, SemanticError
from servers.graph.language import expressions as e
from servers.graph.language import statements as s
from servers.graph.values.types import Empty, NSet, Null

Stage = Callable[[GraphReader, Iterator[Row]], Iterator[Row]]


def plan_match(statement: s.Match, context: Context) -> Plan:
    """Plan MATCH … WITH … UNWIND … RETURN. Raises `SemanticError`."""
    if context.input is not None:
        # As in the cluster: what a pipe brings is no clause's, and would be read as something else.
        raise NgqlSyntaxError(f"syntax error near `{_first_word(statement)}'")
    store = context.store if _reads_graph(statement) else None
    scope = new_scope(context)
    scope.begun = bool(statement.clauses)
    stages: list[Stage] = []
    for clause in statement.clauses:
        stage, scope = _stage(clause, scope, context)
        stages.append(stage)
    projection = Projector(statement.projection, scope)

    def table(reader: Any) -> Rows:
        rows: Iterator[Row] = iter([[]])
        for stage in stages:
            rows = stage(reader, rows)
        return projection.rows(reader, rows)

    def execute(run: Execution) -> Rows:
        if store is None:
            return table(Frame(run))
        with store.read(run.deadline) as connection:
            return table(GraphReader(run, store, connection))

    return Plan("Project", projection.output.names, execute, projection.output.types)


def _first_word(statement: s.Match) -> str:
    match statement.clauses[:1]:
        case [s.MatchClause(optional=optional)]:
            return "OPTIONAL" if optional else "MATCH"
        case [s.UnwindClause()]:
            return "UNWIND"
        case [_]:
            return "WITH"
    return "RETURN"


def _reads_graph(statement: s.Match) -> bool:
    """Whether there is a pattern anywhere; else a row of the clauses is all there is, and no space needed."""
    if any(isinstance(clause, s.MatchClause) for clause in statement.clauses):
        return True
    exprs = [statement.projection, *statement.clauses]
    return any(isinstance(part, e.PathExpr) for part in walk([exprs_of(item) for item in exprs]))


def exprs_of(clause: Any) -> list[Any]:
    """The expressions of a clause or a projection."""
    match clause:
        case s.Projection(columns=columns):
            return [column.expr for column in columns]
        case s.WithClause(projection=projection, where=where):
            return [*exprs_of(projection), where]
        case s.UnwindClause(expr=expr):
            return [expr]
    return []


def new_scope(context: Context) -> MatchScope:
    """A scope without aliases."""
    return MatchScope(context.parameters, lambda node, scope: compile_pattern(node, scope, context))


def _stage(clause: Any, scope: MatchScope, context: Context) -> tuple[Stage, MatchScope]:
    if isinstance(clause, s.MatchClause):
        matcher = Matcher(clause, scope, context)
        return matcher.rows, scope
    if isinstance(clause, s.UnwindClause):
        return _unwind(clause, scope), scope
    for column in clause.projection.columns:
        if column.alias is None and not isinstance(column.expr, e.Label):
            raise SemanticError("Expression in WITH must be aliased (use AS)")
    projector = Projector(clause.projection, scope)
    inner = new_scope(context)
    for name, kind, deduced in projector.bindings():
        if name in inner.aliases:
            raise SemanticError(f"`{name}': Redefined alias")
        inner.add(name, kind, deduced)
    where = None
    if clause.where is not None:
        where = compile_expr(checked_filter(as_condition(clause.where), inner), inner)
    return _with(projector, where), inner


def _with(projector: "Projector", where: Evaluate | None) -> Stage:
    def run(reader: GraphReader, rows: Iterator[Row]) -> Iterator[Row]:
        made = projector.rows(reader, rows)
        for frame in frames_over(reader.run, made):
            frame.reader = reader
            if where is None or where(frame) is True:
                yield frame.row

    return run


def _unwind(clause: s.UnwindClause, scope: MatchScope) -> Stage:
    if has_aggregate(clause.expr):
        raise SemanticError(
            "Can't use aggregating expressions in unwind clause, `" + clause.expr.text() + "'"
        )
    evaluate = compile_expr(fold(clause.expr), scope)
    deduce(clause.expr, scope)
    if clause.alias in scope.aliases:
        raise SemanticError(f"Variable `{clause.alias}` already declared")
    scope.add(clause.alias, VALUE)

    def run(reader: GraphReader, rows: Iterator[Row]) -> Iterator[Row]:
        frame = Frame(reader.run)
        frame.reader = reader
        for row in rows:
            frame.row = row
            for item in _items(evaluate(frame)):
                reader.run.tick()
                yield [*row, item]

    return run


def _items(value: Any) -> list[Any]:
    if isinstance(value, list | NSet):
        return list(value)
    return [] if isinstance(value, Null | Empty) else [value]


class Projector:
    """WITH and RETURN compiled: columns, then ORDER BY, SKIP and LIMIT over them. Raises `SemanticError`."""

    def __init__(self, projection: s.Projection, scope: MatchScope) -> None:
        columns = list(projection.columns)
        if projection.star:
            names = [name for name in scope.aliases if not name.startswith("\0")]
            if not names and not columns:
                raise SemanticError("RETURN * is not allowed when there are no variables in scope")
            columns = [s.Column(e.Label(name), name) for name in names] + columns
        self.columns = [s.Column(as_value(column.expr), column.name) for column in columns]
        self.scope = scope
        self.output: CompiledProjection = compile_projection(
            self.columns, scope, distinct=projection.distinct
        )
        self.order = [(self._factor(expr), descending) for expr, descending in projection.order]
        self.skip = _count(projection.skip, "SKIP", scope)
        self.limit = _count(projection.limit, "LIMIT", scope)

    def _factor(self, expr: e.Expr) -> Evaluate:
        name = expr.name if isinstance(expr, e.Label) else expr.text()
        if isinstance(expr, e.Variable) and expr.name in self.scope.parameters:
            return compile_expr(expr, self.scope)
        if name in self.output.names and isinstance(expr, e.Label):
            column = self.output.names.index(name)
            return lambda frame: frame.row[column]
        raise SemanticError("Only column name can be used as sort item")

    def bindings(self) -> list[tuple[str, str, str]]:
        """(name, kind, deduced type) of each column, for what follows a WITH."""
        made: list[tuple[str, str, str]] = []
        for column, deduced in zip(self.columns, self.output.types, strict=True):
            kind = VALUE
            if isinstance(column.expr, e.Label) and column.expr.name in self.scope.kinds:
                kind = self.scope.kinds[column.expr.name]
            made.append((column.name, kind, deduced))
        return made

    def rows(self, reader: GraphReader, rows: Iterator[Row]) -> Rows:
        """The table for the rows of the clauses before it."""
        frames = _frames(reader, rows)
        early = self.limit is not None and not self.order and not self.output.distinct
        if early and self.output.groups is None:
            made = self._first(frames)
        else:
            made = self.output.rows(frames, reader.run)
        if self.order:
            made = sort_rows(reader.run, made, self.order)
        end = None if self.limit is None else self.skip_count + self.limit
        return made[self.skip_count : end]

    @property
    def skip_count(self) -> int:
        """How many rows SKIP drops."""
        return self.skip or 0

    def _first(self, frames: Iterator[Frame]) -> Rows:
        """No more rows than the limit needs."""
        made: Rows = []
        wanted = self.skip_count + (self.limit or 0)
        if wanted:
            for frame in frames:
                made.append(self.output.row(frame))
                if len(made) >= wanted:
                    break
        return made


def _frames(reader: GraphReader, rows: Iterator[Row]) -> Iterator[Frame]:
    frame = Frame(reader.run)
    frame.reader = reader
    for row in rows:
        frame.row = row
        yield frame


def as_value(node: e.Expr) -> e.Expr:
    """The expression of a column; a pattern that is the whole column stays the list of its paths."""
    return as_condition(node) if not isinstance(node, e.PathExpr) else node


def _count(expr: e.Expr | None, word: str, scope: Scope) -> int | None:
    if expr is None:
        return None
    for name in _names(expr):
        raise SemanticError(f"SKIP/LIMIT should be of type integer, `{name}' is not allowed here")
    value = constant(fold(expr), scope.parameters)
    if type(value) is not int:
        raise SemanticError(f"{word} should be of type integer")
    if value < 0:
        raise SemanticError(f"{word} should not be negative")
    return value


def _names(expr: e.Expr) -> list[str]:
    return [part.name for part in walk(expr) if isinstance(part, e.Label)]
