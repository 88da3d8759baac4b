"""Syntax trees of query statements: GO, FETCH, LOOKUP, MATCH, paths, pipes and what shapes rows.

Those that write are in `dml_statements` and `ddl_statements`.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from servers.graph.language.expressions import Expr
from servers.graph.language.patterns import PathPattern


@dataclass(slots=True)
class Statement:
    """Any statement. `writes` marks what a read-only user may not run."""

    writes: ClassVar[bool] = False


@dataclass(slots=True)
class Column:
    """An item of a YIELD, WITH or RETURN."""

    expr: Expr
    alias: str | None = None

    @property
    def name(self) -> str:
        """Its alias, else the expression as Nebula writes it."""
        return self.alias if self.alias is not None else self.expr.text()


@dataclass(slots=True)
class Yield:
    """YIELD's columns."""

    columns: list[Column]
    distinct: bool = False


# ---------------------------------------------------------------- composition


@dataclass(slots=True)
class Explain(Statement):
    """EXPLAIN, or PROFILE; `format` is row, dot, dot:struct or tck."""

    profile: bool
    sentences: list[Statement]
    format: str = "row"


@dataclass(slots=True)
class Assignment(Statement):
    """`$name = sentence`."""

    name: str
    sentence: Statement


@dataclass(slots=True)
class Pipe(Statement):
    """`left | right`."""

    left: Statement
    right: Statement


@dataclass(slots=True)
class SetOperation(Statement):
    """UNION and its kin; `op` is UNION, UNION ALL, INTERSECT or MINUS."""

    op: str
    left: Statement
    right: Statement


# ---------------------------------------------------------------- traversals


@dataclass(slots=True)
class Steps:
    """A number of steps or a range of it; `upto` is UPTO."""

    low: Any
    high: Any
    upto: bool = False


@dataclass(slots=True)
class Over:
    """OVER: `names` of (edge, alias), empty for `*`; direction is "", REVERSELY or BIDIRECT."""

    names: list[tuple[str, str | None]]
    direction: str = ""


@dataclass(slots=True)
class Go(Statement):
    """GO; `sample` is (SAMPLE or LIMIT, list of edges a step)."""

    steps: Steps | None
    starts: list[Expr]
    over: Over
    where: Expr | None
    output: Yield | None
    sample: tuple[str, Expr] | None


@dataclass(slots=True)
class FetchVertices(Statement):
    """FETCH PROP ON tags; `tags` is None for `*`."""

    tags: list[str] | None
    vids: list[Expr]
    output: Yield | None


@dataclass(slots=True)
class EdgeKey:
    """`src -> dst @rank`."""

    src: Expr
    dst: Expr
    rank: Expr | None


@dataclass(slots=True)
class FetchEdges(Statement):
    """FETCH PROP ON an edge type."""

    names: list[str]
    keys: list[EdgeKey]
    output: Yield | None


@dataclass(slots=True)
class Lookup(Statement):
    """LOOKUP ON a tag or an edge type."""

    name: str
    where: Expr | None
    output: Yield | None


@dataclass(slots=True)
class FindPath(Statement):
    """FIND PATH; `kind` is SHORTEST, "SINGLE SHORTEST", ALL or NOLOOP, `upto` the most steps."""

    kind: str
    with_prop: bool
    starts: list[Expr]
    ends: list[Expr]
    over: Over
    where: Expr | None
    upto: Any
    output: Yield | None


@dataclass(slots=True)
class Subgraph(Statement):
    """GET SUBGRAPH; `edges` of (IN, OUT or BOTH, names)."""

    with_prop: bool
    steps: Steps | None
    starts: list[Expr]
    edges: list[tuple[str, list[str]]]
    where: Expr | None
    output: Yield | None


@dataclass(slots=True)
class Join:
    """`FROM $left INNER JOIN $right ON $left.a == $right.b`; `mode` is the words before JOIN."""

    left: str
    right: str
    mode: str
    left_key: Expr
    right_key: Expr


@dataclass(slots=True)
class YieldSentence(Statement):
    """YIELD as a statement of its own."""

    output: Yield
    where: Expr | None
    join: Join | None = None


@dataclass(slots=True)
class UnwindSentence(Statement):
    """UNWIND as a statement of its own, a row an item."""

    expr: Expr
    alias: str


@dataclass(slots=True)
class GroupBy(Statement):
    """GROUP BY … YIELD."""

    keys: list[Expr]
    output: Yield


@dataclass(slots=True)
class OrderBy(Statement):
    """ORDER BY."""

    factors: list[tuple[Expr, bool]]
    """(expression, descending)"""


@dataclass(slots=True)
class Limit(Statement):
    """LIMIT after a pipe, with the rows it skips."""

    skip: Any
    count: Any


@dataclass(slots=True)
class MatchClause:
    """MATCH, or OPTIONAL MATCH, and its WHERE."""

    optional: bool
    paths: list[PathPattern]
    where: Expr | None


@dataclass(slots=True)
class UnwindClause:
    """UNWIND expr AS alias."""

    expr: Expr
    alias: str


@dataclass(slots=True)
class Projection:
    """What WITH and RETURN share. `star` keeps the names in sight."""

    distinct: bool
    star: bool
    columns: list[Column]
    order: list[tuple[Expr, bool]] = field(default_factory=list)
    skip: Expr | None = None
    limit: Expr | None = None


@dataclass(slots=True)
class WithClause:
    """WITH and its WHERE."""

    projection: Projection
    where: Expr | None


@dataclass(slots=True)
class Match(Statement):
    """A whole MATCH statement; `projection` is its RETURN."""

    clauses: list[MatchClause | UnwindClause | WithClause]
    projection: Projection
