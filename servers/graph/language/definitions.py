"""Trees of the statements that define and show schemas, and of the few administrative ones."""

from dataclasses import dataclass, field
from typing import Any

from servers.graph.language.expressions import Expr
from servers.graph.language.statements import Statement
from servers.graph.language.writing import Write


@dataclass(slots=True)
class Prop:
    """A property as written; `default` is an expression, `nullable` None when nothing was said."""

    name: str
    type: str
    length: Any = None
    nullable: bool | None = None
    default: Expr | None = None
    comment: str | None = None


@dataclass(slots=True)
class Use(Statement):
    space: str


@dataclass(slots=True)
class CreateSpace(Write):
    name: str
    if_not_exists: bool
    options: dict[str, Any]


@dataclass(slots=True)
class CreateSpaceAs(Write):
    name: str
    source: str
    if_not_exists: bool


@dataclass(slots=True)
class DropSpace(Write):
    name: str
    if_exists: bool


@dataclass(slots=True)
class ClearSpace(Write):
    name: str
    if_exists: bool


@dataclass(slots=True)
class CreateSchema(Write):
    """A tag or an edge type; `kind` is TAG or EDGE here and below."""

    kind: str
    name: str
    if_not_exists: bool
    props: list[Prop]
    options: dict[str, Any]


@dataclass(slots=True)
class AlterSchema(Write):
    """`changes` of ("add" | "change" | "drop", props or names)."""

    kind: str
    name: str
    changes: list[tuple[str, list[Any]]]
    options: dict[str, Any]


@dataclass(slots=True)
class DropSchema(Write):
    kind: str
    name: str
    if_exists: bool


@dataclass(slots=True)
class CreateIndex(Write):
    kind: str
    name: str
    owner: str
    fields: list[tuple[str, Any]]
    if_not_exists: bool
    comment: str | None = None


@dataclass(slots=True)
class DropIndex(Write):
    kind: str
    name: str
    if_exists: bool


@dataclass(slots=True)
class RebuildIndex(Write):
    kind: str
    names: list[str]


@dataclass(slots=True)
class SubmitJob(Write):
    words: list[str]


@dataclass(slots=True)
class Describe(Statement):
    """`kind` is SPACE, TAG, EDGE, "TAG INDEX" or "EDGE INDEX"."""

    kind: str
    name: str


@dataclass(slots=True)
class Show(Statement):
    """`what` as spelt after SHOW; `name` its argument."""

    what: str
    name: Any = None
    options: dict[str, Any] = field(default_factory=dict)
