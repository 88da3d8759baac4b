"""Syntax trees of the statements that write vertices and edges (DML): INSERT, UPDATE, DELETE."""

from dataclasses import dataclass
from typing import ClassVar

from servers.graph.language.bulk_insert import LiteralBlock
from servers.graph.language.expressions import Expr
from servers.graph.language.statements import EdgeKey, Statement, Yield


@dataclass(slots=True)
class Write(Statement):
    """A statement that a read-only user may not run."""

    writes: ClassVar[bool] = True


@dataclass(slots=True)
class InsertVertices(Write):
    """INSERT VERTEX: `tags` of (name, properties or None for all), `rows` of (vid, values of all tags)."""

    if_not_exists: bool
    tags: list[tuple[str, list[str] | None]]
    rows: list[tuple[Expr, list[Expr]]]
    block: LiteralBlock | None = None
    """The literals of many rows shaped as the only one in `rows`, whose own are blanks."""


@dataclass(slots=True)
class InsertEdges(Write):
    """INSERT EDGE: `props` is None for all, `rows` of (key, values); `block` as for vertices."""

    if_not_exists: bool
    edge: str
    props: list[str] | None
    rows: list[tuple[EdgeKey, list[Expr]]]
    block: LiteralBlock | None = None


@dataclass(slots=True)
class Assign:
    """`name = expr` of a SET; `owner` is the tag of the older `tag.name = expr`."""

    name: str
    expr: Expr
    owner: str | None = None


@dataclass(slots=True)
class UpdateVertex(Write):
    """UPDATE VERTEX, or UPSERT when `insertable`, of each of `vids`."""

    insertable: bool
    tag: str | None
    vids: list[Expr]
    assigns: list[Assign]
    when: Expr | None
    output: Yield | None


@dataclass(slots=True)
class UpdateEdge(Write):
    """UPDATE EDGE, or UPSERT when `insertable`, of each of `keys`."""

    insertable: bool
    edge: str
    keys: list[EdgeKey]
    assigns: list[Assign]
    when: Expr | None
    output: Yield | None


@dataclass(slots=True)
class DeleteVertices(Write):
    """DELETE VERTEX, or with its edges."""

    vids: list[Expr]
    with_edge: bool


@dataclass(slots=True)
class DeleteEdges(Write):
    """DELETE EDGE."""

    edge: str
    keys: list[EdgeKey]


@dataclass(slots=True)
class DeleteTags(Write):
    """DELETE TAG; `tags` is None for `*`."""

    tags: list[str] | None
    vids: list[Expr]
