"""Trees of statements. `writes` marks what a read-only user may not run."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from servers.graph.language.expressions import Expr, MapLiteral


@dataclass(slots=True)
class Statement:
    writes: ClassVar[bool] = False


@dataclass(slots=True)
class Column:
    expr: Expr
    alias: str | None = None

    @property
    def name(self) -> str:
        return self.alias if self.alias is not None else self.expr.text()


@dataclass(slots=True)
class Yield:
    columns: list[Column]
    distinct: bool = False


# ---------------------------------------------------------------- composition


@dataclass(slots=True)
class Explain(Statement):
    profile: bool
    sentences: list[Statement]
    format: str = "row"


@dataclass(slots=True)
class Assignment(Statement):
    name: str
    sentence: Statement


@dataclass(slots=True)
class Pipe(Statement):
    left: Statement
    right: Statement


@dataclass(slots=True)
class SetOperation(Statement):
    """`op` is UNION, UNION ALL, INTERSECT or MINUS."""

    op: str
    left: Statement
    right: Statement


# ---------------------------------------------------------------- traversals


@dataclass(slots=True)
class Steps:
    low: Any
    high: Any
    upto: bool = False


@dataclass(slots=True)
class Over:
    """Edges walked: `names` of (edge, alias), empty for `*`; direction is "", REVERSELY or BIDIRECT."""

    names: list[tuple[str, str | None]]
    direction: str = ""


@dataclass(slots=True)
class Go(Statement):
    steps: Steps | None
    starts: list[Expr]
    over: Over
    where: Expr | None
    output: Yield | None
    sample: tuple[str, Expr] | None


@dataclass(slots=True)
class FetchVertices(Statement):
    """`tags` is None for `*`."""

    tags: list[str] | None
    vids: list[Expr]
    output: Yield | None


@dataclass(slots=True)
class EdgeKey:
    src: Expr
    dst: Expr
    rank: Expr | None


@dataclass(slots=True)
class FetchEdges(Statement):
    names: list[str]
    keys: list[EdgeKey]
    output: Yield | None


@dataclass(slots=True)
class Lookup(Statement):
    name: str
    where: Expr | None
    output: Yield | None


@dataclass(slots=True)
class FindPath(Statement):
    """`kind` is SHORTEST, "SINGLE SHORTEST", ALL or NOLOOP."""

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
    """`edges` of (IN | OUT | BOTH, names)."""

    with_prop: bool
    steps: Steps | None
    starts: list[Expr]
    edges: list[tuple[str, list[str]]]
    where: Expr | None
    output: Yield | None


@dataclass(slots=True)
class YieldSentence(Statement):
    output: Yield
    where: Expr | None


@dataclass(slots=True)
class GroupBy(Statement):
    keys: list[Expr]
    output: Yield


@dataclass(slots=True)
class OrderBy(Statement):
    factors: list[tuple[Expr, bool]]
    """(expression, descending)"""


@dataclass(slots=True)
class Limit(Statement):
    skip: Any
    count: Any


# ---------------------------------------------------------------- match


@dataclass(slots=True)
class NodePattern:
    alias: str | None
    labels: list[tuple[str, MapLiteral | None]]
    props: MapLiteral | None

    def text(self) -> str:
        labels = "".join(f":{name}{props.text() if props else ''}" for name, props in self.labels)
        return f"({self.alias or ''}{labels}{self.props.text() if self.props else ''})"


@dataclass(slots=True)
class EdgePattern:
    """`hops` is None for exactly one edge, else (low, high) with None for no upper bound."""

    alias: str | None
    types: list[str]
    hops: tuple[Any, Any] | None
    props: MapLiteral | None
    direction: str = "both"

    def text(self) -> str:
        types = ":" + "|".join(self.types) if self.types else ""
        hops = ""
        if self.hops is not None:
            low, high = self.hops
            hops = f"*{low}..{'' if high is None else high}"
        inner = f"{self.alias or ''}{types}{hops}{self.props.text() if self.props else ''}"
        body = f"-[{inner}]-" if inner else "--"
        return {"out": f"{body}>", "in": f"<{body}"}.get(self.direction, body)


@dataclass(slots=True)
class PathPattern:
    """`shortest` is "", "one" or "all"."""

    nodes: list[NodePattern]
    edges: list[EdgePattern]
    alias: str | None = None
    shortest: str = ""

    def text(self) -> str:
        parts = [self.nodes[0].text()]
        for edge, node in zip(self.edges, self.nodes[1:], strict=True):
            parts += [edge.text(), node.text()]
        return "".join(parts)


@dataclass(slots=True)
class MatchClause:
    optional: bool
    paths: list[PathPattern]
    where: Expr | None


@dataclass(slots=True)
class UnwindClause:
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
    projection: Projection
    where: Expr | None


@dataclass(slots=True)
class Match(Statement):
    clauses: list[MatchClause | UnwindClause | WithClause]
    projection: Projection
