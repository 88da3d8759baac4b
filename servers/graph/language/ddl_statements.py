"""Syntax trees of schema statements (DDL), of SHOW and DESCRIBE, and of the few administrative ones."""

from dataclasses import dataclass, field
from typing import Any

from servers.graph.language.dml_statements import Write
from servers.graph.language.expressions import Expr
from servers.graph.language.statements import Statement

Options = dict[str, Any]
"""Options by name as they were written: literals, expressions, a type with its length."""


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
    """USE space."""

    space: str


@dataclass(slots=True)
class CreateSpace(Write):
    """CREATE SPACE with its options."""

    name: str
    if_not_exists: bool
    options: Options


@dataclass(slots=True)
class CreateSpaceAs(Write):
    """CREATE SPACE name AS source."""

    name: str
    source: str
    if_not_exists: bool


@dataclass(slots=True)
class DropSpace(Write):
    """DROP SPACE."""

    name: str
    if_exists: bool


@dataclass(slots=True)
class ClearSpace(Write):
    """CLEAR SPACE."""

    name: str
    if_exists: bool


@dataclass(slots=True)
class CreateSchema(Write):
    """CREATE TAG or EDGE; `kind` is TAG or EDGE here and below."""

    kind: str
    name: str
    if_not_exists: bool
    props: list[Prop]
    options: Options


@dataclass(slots=True)
class AlterSchema(Write):
    """ALTER TAG or EDGE: `changes` of ("add" or "change", props) or ("drop", names)."""

    kind: str
    name: str
    changes: list[tuple[str, list[Any]]]
    options: Options


@dataclass(slots=True)
class DropSchema(Write):
    """DROP TAG or EDGE."""

    kind: str
    name: str
    if_exists: bool


@dataclass(slots=True)
class CreateIndex(Write):
    """CREATE INDEX on the tag or edge type `owner`; `fields` are (property, length or None)."""

    kind: str
    name: str
    owner: str
    fields: list[tuple[str, Any]]
    if_not_exists: bool
    comment: str | None = None


@dataclass(slots=True)
class DropIndex(Write):
    """DROP INDEX."""

    kind: str
    name: str
    if_exists: bool


@dataclass(slots=True)
class RebuildIndex(Write):
    """REBUILD INDEX of some names."""

    kind: str
    names: list[str]


@dataclass(slots=True)
class SubmitJob(Write):
    """SUBMIT JOB; `words` are what follows."""

    words: list[str]


@dataclass(slots=True)
class Describe(Statement):
    """DESCRIBE; `kind` is SPACE, TAG, EDGE, "TAG INDEX" or "EDGE INDEX"."""

    kind: str
    name: str


@dataclass(slots=True)
class Show(Statement):
    """SHOW; `what` as spelt after it, `name` its argument, a session's or job's number or None."""

    what: str
    name: Any = None
    options: Options = field(default_factory=dict)
