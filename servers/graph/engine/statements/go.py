"""GO: walks of m to n steps, one frontier at a time."""

from collections.abc import Iterable, Iterator
from typing import Any

from servers.graph.engine.access.elements import TraverseScope, refuse_refs, shown
from servers.graph.engine.access.reader import Access, Hop
from servers.graph.engine.access.start_vertices import Places
from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.expression_walk import has_aggregate
from servers.graph.engine.frame import Frame, Row, Rows, Run
from servers.graph.engine.plan import Context, Plan, scope_of
from servers.graph.engine.statements.output import Output, build_output
from servers.graph.engine.type_check import checked_filter, constant
from servers.graph.errors import NgqlSyntaxError, SemanticError
from servers.graph.language import statements as s
from servers.graph.storage.schema import SchemaDef
from servers.graph.values.types import Edge

Found = tuple[Any, Hop]


class Walker:
    """Which edges a step follows."""

    def __init__(self, over: s.Over, context: Context) -> None:
        self.edges: dict[str, SchemaDef] = {}
        schema = context.schema
        for name, alias in over.names:
            definition = schema.edges.get(name)
            if definition is None:
                raise SemanticError(f"{name} not found in space [{context.space}].")
            self.edges[alias or name] = definition
        self.everything = not over.names
        if self.everything:
            self.edges = dict(schema.edges)
            if not self.edges:
                raise SemanticError("edges not found in space")
        self.types = [definition.id for definition in self.edges.values()]
        self.out = over.direction != "REVERSELY"
        self.back = over.direction != ""

    def hops(self, access: Access, vid: Any) -> list[Hop]:
        if not self.back:
            return access.hops(vid, self.types, out=True, everything=self.everything)
        found = access.hops(vid, self.types, out=False, everything=self.everything)
        if self.out:
            found = access.hops(vid, self.types, out=True, everything=self.everything) + found
        return found


def plan_go(statement: s.Go, context: Context) -> Plan:
    if statement.output is None:
        raise SemanticError("Missing yield clause.")
    store = context.store
    walker = Walker(statement.over, context)
    places = Places(statement.starts, context)
    columns = statement.output.columns
    exprs = [column.expr for column in columns]
    source, shape = context.source(exprs, statement.where, statement.starts)
    for column in columns:
        refuse_refs(column.expr, ("EDGE", "$^", "$$"), shown(column))
        if has_aggregate(column.expr):
            text = ", ".join(shown(item) for item in columns)
            raise NgqlSyntaxError(f"Invalid use of aggregating function in yield clause. near `{text}'")
    scope = scope_of(context, source, shape, TraverseScope)
    assert isinstance(scope, TraverseScope)
    scope.bind(context, walker.edges)
    where = compile_expr(checked_filter(statement.where, scope), scope) if statement.where else None
    output = build_output(columns, scope, distinct=statement.output.distinct)
    trip = _Trip(walker, _steps(statement, context), where, output, _sampler(statement, context))
    # Rows of a pipe or a variable are joined with what they lead to, whether or not they are read.
    trip.joined = source is not None

    def execute(run: Run) -> Rows:
        with store.read(run.deadline) as connection:
            access = Access(run, store, connection)
            return run.hold(trip.rows(access, places))

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
    if not isinstance(counts, list) or not all(type(count) is int for count in counts):
        raise SemanticError(f"`{expr.text()}' type must be LIST, but was {type(counts).__name__.upper()}")
    steps = statement.steps or s.Steps(1, 1)
    if len(counts) != steps.high:
        raise SemanticError(f"`{expr.text()}' length must be equal to GO step size {steps.high}.")
    if min(counts) < 0:
        raise SemanticError("Limit/Sample element must be nonnegative.")
    return counts


class _Trip:
    """A GO ready to run. `joined` rows repeat for each input row."""

    def __init__(
        self,
        walker: Walker,
        steps: tuple[int, int],
        where: Evaluate | None,
        output: Output,
        keep: list[int] | None,
    ) -> None:
        self.walker, self.where, self.output, self.keep = walker, where, output, keep
        self.low, self.high = steps
        self.joined = False

    def rows(self, access: Access, places: Places) -> Rows:
        if self.high > access.run.caps.steps:
            raise SemanticError(f"{self.high} STEPS is more than {access.run.caps.steps}")
        if not self.joined:
            found = self._walk(access, places.vids(access.run))
            return self.output.rows(self._frames(access, found, [None]), access.run)
        by_start: dict[Any, list[Row]] = {}
        for vid, row in places.pairs(access.run):
            by_start.setdefault(vid, []).append(row)
        frames = (
            frame
            for vid, rows in by_start.items()
            for frame in self._frames(access, self._walk(access, [vid]), rows)
        )
        return self.output.rows(frames, access.run)

    def _walk(self, access: Access, starts: list[Any]) -> Iterator[Found]:
        """The edges of the steps asked for."""
        frontier = starts
        for step in range(1, self.high + 1):
            last, following, count = step == self.high, {}, 0
            for vid in frontier:
                for hop in self.walker.hops(access, vid):
                    count += 1
                    if self.keep is not None and count > self.keep[step - 1]:
                        break
                    if step >= self.low:
                        yield vid, hop
                    if not last:
                        following[hop[2]] = None
            frontier = list(following)

    def _frames(self, access: Access, found: Iterable[Found], rows: list[Any]) -> Iterator[Frame]:
        frame = Frame(access.run)
        frame.tags = access
        where, names, decoders = self.where, access.schema.edge_ids, access.decoders
        for src, hop in found:
            frame.src, frame.dst = src, hop[2]
            kind, rank, dst, _ = hop
            frame.edge = Edge(src, dst, kind, names[abs(kind)].name, rank, hop[3], decoders[abs(kind)])
            for row in rows:
                frame.row = row
                if where is None or where(frame) is True:
                    yield frame
