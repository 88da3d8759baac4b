"""GO: traversals of m to n steps, breadth first, one frontier at a time."""

from collections.abc import Iterable, Iterator
from typing import Any

from servers.graph.engine.access.element_scope import TraverseScope, column_text, refuse_refs
from servers.graph.engine.access.reader import GraphReader, Hop
from servers.graph.engine.access.start_vertices import StartVertices
from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.execution import Execution, Row, Rows
from servers.graph.engine.expression_tree import has_aggregate
from servers.graph.engine.frame import Frame
from servers.graph.engine.plan import Context, Plan, scope_of
from servers.graph.engine.statements.projection import CompiledProjection, compile_projection
from servers.graph.engine.type_check import checked_filter, constant
from servers.graph.errors import NgqlSyntaxError, SemanticError
from servers.graph.language import statements as s
from servers.graph.storage.schema import SchemaDef
from servers.graph.values.types import Edge, type_name

Found = tuple[Any, Hop]


class OverClause:
    """OVER compiled: the edge types and directions that a step follows. Raises `SemanticError`.

    `edges` are the types by alias; `out` and `back` say whether edges are followed forwards and backwards.
    """

    def __init__(self, over: s.Over, context: Context) -> None:
        self.edges: dict[str, SchemaDef] = {}
        schema = context.schema
        for name, alias in over.names:
            definition = schema.edges.get(name)
            if definition is None:
                raise SemanticError(f"{name} not found in space [{context.space}].")
            self.edges[alias or name] = definition
        self.all_types = not over.names
        if self.all_types:
            self.edges = dict(schema.edges)
            if not self.edges:
                raise SemanticError("edges not found in space")
        self.types = [definition.id for definition in self.edges.values()]
        self.out = over.direction != "REVERSELY"
        self.back = over.direction != ""

    def hops(self, reader: GraphReader, vid: Any) -> list[Hop]:
        """The edges at a vertex that a step follows."""
        if not self.back:
            return reader.hops(vid, self.types, out=True, all_types=self.all_types)
        found = reader.hops(vid, self.types, out=False, all_types=self.all_types)
        if self.out:
            found = reader.hops(vid, self.types, out=True, all_types=self.all_types) + found
        return found


def plan_go(statement: s.Go, context: Context) -> Plan:
    """Plan GO. Raises `SemanticError`, `NgqlSyntaxError`."""
    if statement.output is None:
        raise SemanticError("Missing yield clause.")
    store = context.store
    over = OverClause(statement.over, context)
    starts = StartVertices(statement.starts, context)
    columns = statement.output.columns
    exprs = [column.expr for column in columns]
    source, shape = context.source(exprs, statement.where, statement.starts)
    for column in columns:
        refuse_refs(column.expr, ("EDGE", "$^", "$$"), column_text(column))
        if has_aggregate(column.expr):
            text = ", ".join(column_text(item) for item in columns)
            raise NgqlSyntaxError(f"Invalid use of aggregating function in yield clause. near `{text}'")
    scope = scope_of(context, source, shape, TraverseScope)
    assert isinstance(scope, TraverseScope)
    scope.bind(context, over.edges)
    where = None
    if statement.where is not None:
        where = compile_expr(checked_filter(statement.where, scope, truth="boolean"), scope)
    output = compile_projection(columns, scope, distinct=statement.output.distinct)
    traversal = _Traversal(over, _steps(statement, context), where, output, _sampler(statement, context))
    # Rows of a pipe or a variable are joined with what they lead to, whether or not they are read.
    traversal.joined = source is not None

    def execute(run: Execution) -> Rows:
        with store.read(run.deadline) as connection:
            reader = GraphReader(run, store, connection)
            return run.account_rows(traversal.rows(reader, starts))

    return Plan("Traverse", output.names, execute, output.types)


def _steps(statement: s.Go, context: Context) -> tuple[int, int]:
    steps = statement.steps or s.Steps(1, 1)
    if steps.low > steps.high:
        raise SemanticError(
            f"`{steps.low} TO {steps.high} STEPS', upper bound steps should be greater than lower"
        )
    return steps.low, steps.high


def _sampler(statement: s.Go, context: Context) -> list[int] | None:
    """How many edges each step keeps."""
    if statement.sample is None:
        return None
    _, expr = statement.sample
    counts = constant(expr, context.parameters)
    if not isinstance(counts, list):
        raise SemanticError(f"`{expr.text()}' type must be LIST, but was {type_name(counts)}")
    if not all(type(count) is int for count in counts):
        raise SemanticError("Limit/Sample element type must be Integer.")
    steps = statement.steps or s.Steps(1, 1)
    if len(counts) != steps.high:
        raise SemanticError(f"`{expr.text()}' length must be equal to GO step size {steps.high}.")
    if min(counts) < 0:
        raise SemanticError("Limit/Sample element must be nonnegative.")
    return counts


class _Traversal:
    """A GO ready to run. `steps` are (first, last) whose edges are given; `keep` edges a step, None for all.

    Where `joined`, what a start leads to repeats for each input row.
    """

    def __init__(
        self,
        over: OverClause,
        steps: tuple[int, int],
        where: Evaluate | None,
        output: CompiledProjection,
        keep: list[int] | None,
    ) -> None:
        self.over, self.where, self.output, self.keep = over, where, output, keep
        self.low, self.high = steps
        self.joined = False

    def rows(self, reader: GraphReader, starts: StartVertices) -> Rows:
        """The table."""
        if not self.joined:
            found = self._expand_frontier(reader, starts.vids(reader.run))
            return self.output.rows(self._frames(reader, found, [None]), reader.run)
        by_start: dict[Any, list[Row]] = {}
        for vid, row in starts.pairs(reader.run):
            by_start.setdefault(vid, []).append(row)
        frames = (
            frame
            for vid, rows in by_start.items()
            for frame in self._frames(reader, self._expand_frontier(reader, [vid]), rows)
        )
        return self.output.rows(frames, reader.run)

    def _expand_frontier(self, reader: GraphReader, starts: list[Any]) -> Iterator[Found]:
        """The edges of the steps asked for."""
        frontier = starts
        for step in range(1, self.high + 1):
            if not frontier:
                return
            last, following, count = step == self.high, {}, 0
            for vid in frontier:
                for hop in self.over.hops(reader, vid):
                    count += 1
                    if self.keep is not None and count > self.keep[step - 1]:
                        break
                    if step >= self.low:
                        yield vid, hop
                    if not last:
                        following[hop[2]] = None
            frontier = list(following)

    def _frames(self, reader: GraphReader, found: Iterable[Found], rows: list[Any]) -> Iterator[Frame]:
        frame = Frame(reader.run)
        frame.reader = reader
        where, names, decoders = self.where, reader.schema.edge_ids, reader.decoders
        for src, hop in found:
            frame.src, frame.dst = src, hop[2]
            kind, rank, dst, _ = hop
            frame.edge = Edge(src, dst, kind, names[abs(kind)].name, rank, hop[3], decoders[abs(kind)])
            for row in rows:
                frame.row = row
                if where is None or where(frame) is True:
                    yield frame
