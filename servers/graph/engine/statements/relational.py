"""Relational operators: YIELD, GROUP BY, ORDER BY, LIMIT, pipe, assignment, UNION, INTERSECT, MINUS."""

from collections.abc import Iterator
from typing import Any

from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.execution import Execution, Rows
from servers.graph.engine.expression_tree import has_aggregate, is_constant, rewrite, walk
from servers.graph.engine.frame import Frame
from servers.graph.engine.plan import Context, Plan, Shape, rows_of, scope_of
from servers.graph.engine.scope import UNKNOWN, Scope
from servers.graph.engine.statements.join import plan_join
from servers.graph.engine.statements.projection import compile_projection, distinct_rows
from servers.graph.engine.type_check import checked_filter, fold
from servers.graph.errors import ExecutionError, NgqlSyntaxError, SemanticError
from servers.graph.language import expressions as e
from servers.graph.language import statements as s
from servers.graph.values.ordering import Reversed, order_key
from servers.graph.values.types import Empty, NSet, Null, row_identity


def frames_over(run: Execution, rows: Rows, where: Evaluate | None = None) -> Iterator[Frame]:
    """One frame, showing each row in turn for which `where` holds."""
    frame = Frame(run)
    for row in rows:
        frame.row = row
        if where is None or where(frame) is True:
            yield frame


def plan_yield(statement: s.YieldSentence, context: Context) -> Plan:
    """Plan YIELD over a pipe, a `$variable` or nothing. Raises `SemanticError`."""
    if statement.join is not None:
        return plan_join(statement, statement.join, context)
    exprs = [column.expr for column in statement.output.columns]
    source, shape = context.source(exprs, statement.where)
    _refuse_elements(exprs, context)
    if source is None and context.input is not None:
        source, shape = "$-", context.input
    scope = scope_of(context, source, shape)
    where = compile_expr(checked_filter(statement.where, scope), scope) if statement.where else None
    output = compile_projection(statement.output.columns, scope, distinct=statement.output.distinct)

    def execute(run: Execution) -> Rows:
        rows = rows_of(run, source) if source else [[]]
        return output.rows(frames_over(run, rows, where), run)

    return Plan("Project", output.names, execute, output.types)


def _refuse_elements(exprs: list[e.Expr], context: Context) -> None:
    """Refuse properties of vertices and edges: a YIELD has only rows. Raises `SemanticError` and its kin."""
    for part in walk(exprs):
        match part:
            case e.Attr(left=e.Attr(left=e.Ref(what="$^" | "$$"), name=tag)):
                if context.space is None or tag not in context.schema.tags:
                    raise ExecutionError(f"TagNotFound: TagName `{tag}`")
            case e.Attr(left=e.Label(), name="_src" | "_dst" | "_rank" | "_type"):
                pass
            case e.Label():
                return
            case _:
                continue
        raise SemanticError("Only support input and variable in yield sentence.")


def plan_unwind(statement: s.UnwindSentence, context: Context) -> Plan:
    """Plan UNWIND over a pipe, a `$variable` or nothing: a row an item. Raises `SemanticError`."""
    source, shape = context.source(statement.expr)
    scope = scope_of(context, source, shape)
    evaluate = compile_expr(fold(statement.expr), scope)

    def execute(run: Execution) -> Rows:
        made: Rows = []
        for frame in frames_over(run, rows_of(run, source) if source else [[]]):
            value = evaluate(frame)
            items = list(value) if isinstance(value, list | NSet) else [value]
            made += [[item] for item in items if not isinstance(value, Null | Empty)]
            run.account_growth(len(made), made[-1] if made else None)
        return made

    return Plan("Unwind", [statement.alias], execute, [UNKNOWN])


def plan_group(statement: s.GroupBy, context: Context) -> Plan:
    """Plan GROUP BY. Raises `SemanticError`."""
    named = {column.alias: column.expr for column in statement.output.columns if column.alias}

    def aliased(node: e.Expr) -> e.Expr | None:
        return named.get(node.name) if isinstance(node, e.Label) else None

    keys = [rewrite(key, aliased) for key in statement.keys]
    exprs = [column.expr for column in statement.output.columns]
    source, shape = context.source(exprs, keys)
    _check_elements(keys, exprs)
    if shape is None:
        raise SemanticError("Only support input and variable in GroupBy sentence.")
    scope = scope_of(context, source, shape)
    for expr in [*keys, *exprs]:
        _check_columns(expr, scope)
    _check_group(keys, exprs)
    output = compile_projection(
        statement.output.columns,
        scope,
        distinct=statement.output.distinct,
        keys=keys,
    )
    return Plan(
        "Aggregate",
        output.names,
        lambda run: output.rows(frames_over(run, rows_of(run, source)), run),
        output.types,
    )


def _check_columns(expr: e.Expr, scope: Scope) -> None:
    for part in walk(expr):
        if isinstance(part, e.Attr) and isinstance(part.left, e.Ref | e.Variable):
            scope.resolve(part)


def _check_elements(keys: list[e.Expr], exprs: list[e.Expr]) -> None:
    for key in keys:
        if has_aggregate(key) or is_constant(key) or isinstance(key, e.Label):
            raise SemanticError(f"Group `{key.text()}' invalid")
    for part in walk(exprs):
        match part:
            case e.Label():
                raise SemanticError(f"Not supported expression `{part.text()}' for props deduction.")
            case e.Ref(what="$$" | "$^" | "EDGE" | "VERTEX"):
                raise SemanticError("Only support input and variable in GroupBy sentence.")


def _check_group(keys: list[e.Expr], exprs: list[e.Expr]) -> None:
    texts = {key.text() for key in keys}
    for expr in exprs:
        free = not has_aggregate(expr) and not is_constant(expr)
        if free and not _depends(expr, texts):
            raise SemanticError(
                f"Yield non-agg expression `{expr.text()}' must be "
                "functionally dependent on items in GROUP BY clause"
            )


def _depends(expr: e.Expr, keys: set[str]) -> bool:
    """Whether the expression is made of keys and constants only."""
    if expr.text() in keys or is_constant(expr):
        return True
    found: list[bool] = []

    def inner(node: e.Expr) -> e.Expr | None:
        if node is expr:
            return None
        found.append(_depends(node, keys))
        return node

    rewrite(expr, inner)
    return bool(found) and all(found) and not isinstance(expr, e.Attr)


def plan_order(statement: s.OrderBy, context: Context) -> Plan:
    """Plan ORDER BY over columns of a pipe or a `$variable`. Raises `SemanticError`."""
    exprs = [expr for expr, _ in statement.factors]
    source, shape = context.source(exprs)
    for expr in exprs:
        match expr:
            case e.Attr(left=e.Ref(what="$-")) | e.Attr(left=e.Variable()):
                continue
        raise SemanticError(f"Order by with invalid expression `{expr.text()}'")
    if shape is None:
        raise SemanticError(f"`{exprs[0].text()}', not exist prop `{getattr(exprs[0], 'name', '')}'")
    scope = scope_of(context, source, shape)
    compiled = [(compile_expr(fold(expr), scope), descending) for expr, descending in statement.factors]
    return Plan(
        "Sort", shape.columns, lambda run: sort_rows(run, rows_of(run, source), compiled), shape.types
    )


def sort_rows(run: Execution, rows: Rows, factors: list[tuple[Evaluate, bool]]) -> Rows:
    """The rows sorted by (expression, descending); a stable sort."""
    frame = Frame(run)

    def key(row: Any) -> Any:
        frame.row = row
        return [
            Reversed(order_key(evaluate(frame))) if descending else order_key(evaluate(frame))
            for evaluate, descending in factors
        ]

    return sorted(rows, key=key)


def plan_limit(statement: s.Limit, context: Context) -> Plan:
    """Plan LIMIT over a pipe. Raises `NgqlSyntaxError` without one."""
    shape = context.input
    if shape is None:
        raise NgqlSyntaxError("syntax error near `LIMIT'")
    skip, count = statement.skip, statement.count
    return Plan("Limit", shape.columns, lambda run: run.input[skip : skip + count], shape.types)


def plan_pipe(statement: s.Pipe, context: Context) -> Plan:
    """Plan `left | right`. Raises `QueryError` of either."""
    left = context.plan(statement.left, context)
    right = context.plan(statement.right, context.with_input(left))

    def execute(run: Execution) -> Rows:
        outer = run.input
        run.input = left.run(run)
        made = right.run(run)
        run.input = outer
        return made

    return Plan("Pipe", right.columns, execute, right.types, [left, right])


def plan_assignment(statement: s.Assignment, context: Context) -> Plan:
    """Plan `$name = statement`. Raises `NgqlSyntaxError` when a parameter has the name."""
    inner, name = context.plan(statement.sentence, context), statement.name
    if name in context.parameters:
        raise NgqlSyntaxError(f"Variable definition conflicts with a parameter near `${name}'")
    context.variables[name] = Shape(inner.columns, inner.types)

    def execute(run: Execution) -> Rows:
        run.variables[name] = inner.run(run)
        return run.variables[name]

    return Plan("Assign", inner.columns, execute, inner.types, [inner])


def plan_set(statement: s.SetOperation, context: Context) -> Plan:
    """Plan UNION, UNION ALL, INTERSECT and MINUS. Raises `SemanticError` for unlike columns."""
    left, right = context.plan(statement.left, context), context.plan(statement.right, context)
    if len(left.columns) != len(right.columns):
        raise SemanticError("number of columns to UNION/INTERSECT/MINUS must be same")
    if left.columns != right.columns:
        raise SemanticError("different column names to UNION/INTERSECT/MINUS are not supported")
    combine = _COMBINE[statement.op]
    types = [a if a == b else UNKNOWN for a, b in zip(left.types, right.types, strict=False)]
    return Plan(
        statement.op.title().replace(" ", ""),
        left.columns,
        lambda run: run.account_rows(combine(left.run(run), right.run(run))),
        types,
        [left, right],
    )


def _intersect(left: Rows, right: Rows) -> Rows:
    kept = {row_identity(row) for row in right}
    return [row for row in left if row_identity(row) in kept]


def _minus(left: Rows, right: Rows) -> Rows:
    dropped = {row_identity(row) for row in right}
    return [row for row in left if row_identity(row) not in dropped]


_COMBINE: dict[str, Any] = {
    "UNION": lambda left, right: distinct_rows(left + right),
    "UNION ALL": lambda left, right: left + right,
    "INTERSECT": _intersect,
    "MINUS": _minus,
}
