"""Trees of the statements that write elements: INSERT, UPDATE, DELETE."""

from dataclasses import dataclass
from typing import Any, ClassVar

from servers.graph.language.expressions import Expr
from servers.graph.language.statements import EdgeKey, Statement, Yield


@dataclass(slots=True)
class Write(Statement):
    writes: ClassVar[bool] = True


@dataclass(slots=True)
class InsertVertices(Write):
    if_not_exists: bool
    tags: list[tuple[str, list[str] | None]]
    rows: list[tuple[Expr, list[Expr]]]
    block: Any = None
    """The literals of many rows shaped as the only one in `rows`, whose own are blanks."""


@dataclass(slots=True)
class InsertEdges(Write):
    if_not_exists: bool
    edge: str
    props: list[str] | None
    rows: list[tuple[EdgeKey, list[Expr]]]
    block: Any = None


@dataclass(slots=True)
class Assign:
    name: str
    expr: Expr
    owner: str | None = None


@dataclass(slots=True)
class UpdateVertex(Write):
    insertable: bool
    tag: str | None
    vid: Expr
    assigns: list[Assign]
    when: Expr | None
    output: Yield | None


@dataclass(slots=True)
class UpdateEdge(Write):
    insertable: bool
    edge: str
    key: EdgeKey
    assigns: list[Assign]
    when: Expr | None
    output: Yield | None


@dataclass(slots=True)
class DeleteVertices(Write):
    vids: list[Expr]
    with_edge: bool


@dataclass(slots=True)
class DeleteEdges(Write):
    edge: str
    keys: list[EdgeKey]


@dataclass(slots=True)
class DeleteTags(Write):
    """`tags` is None for `*`."""

    tags: list[str] | None
    vids: list[Expr]
