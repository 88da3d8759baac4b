"""Definitions of a space's tags, edge types and indexes. Immutable: a change makes a new `Schema`."""

from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class PropDef:
    """A property. `position` is its place in stored rows and is never reused.

    `length` is bytes of a FIXED_STRING; `default` is None, `("value", stored value)` or `("expression", nGQL
    text)`. `late` says that rows may be older than the property: these do not hold it.
    """

    name: str
    type: str
    position: int
    length: int | None = None
    nullable: bool = True
    default: tuple[str, Any] | None = None
    comment: str | None = None
    late: bool = False

    @property
    def type_text(self) -> str:
        """As DESCRIBE spells it: int64, fixed_string(8)."""
        name = {"INT": "int64"}.get(self.type, self.type.lower())
        return f"{name}({self.length})" if self.length is not None else name


@dataclass(frozen=True, slots=True)
class SchemaDef:
    """A tag or an edge type; `kind` is TAG or EDGE. `ttl_duration` is seconds, 0 for none.

    `dropped` are the names of properties that it had once.
    """

    kind: str
    name: str
    id: int
    props: tuple[PropDef, ...] = ()
    next_position: int = 0
    ttl_col: str | None = None
    ttl_duration: int = 0
    comment: str | None = None
    dropped: tuple[str, ...] = ()
    by_name: dict[str, PropDef] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        self.by_name.update({prop.name: prop for prop in self.props})

    def changed(self, **changes: Any) -> "SchemaDef":
        """A copy with some fields changed."""
        return replace(self, by_name={}, **changes)


@dataclass(frozen=True, slots=True)
class IndexDef:
    """An index of `owner` over `fields` of (property, length or None)."""

    kind: str
    name: str
    id: int
    owner: str
    fields: tuple[tuple[str, int | None], ...] = ()
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Schema:
    """All definitions of a space, by name and by id."""

    tags: dict[str, SchemaDef] = field(default_factory=dict)
    edges: dict[str, SchemaDef] = field(default_factory=dict)
    indexes: dict[tuple[str, str], IndexDef] = field(default_factory=dict)
    tag_ids: dict[int, SchemaDef] = field(default_factory=dict)
    edge_ids: dict[int, SchemaDef] = field(default_factory=dict)
    next_id: int = 2

    @staticmethod
    def of(definitions: list[SchemaDef], indexes: list[IndexDef], next_id: int) -> "Schema":
        """The schema of these definitions; `next_id` is the id of the next tag, edge type or index."""
        tags = {item.name: item for item in sorted(definitions, key=lambda d: d.id) if item.kind == "TAG"}
        edges = {item.name: item for item in sorted(definitions, key=lambda d: d.id) if item.kind == "EDGE"}
        return Schema(
            tags,
            edges,
            {(index.kind, index.name): index for index in indexes},
            {item.id: item for item in tags.values()},
            {item.id: item for item in edges.values()},
            next_id,
        )

    def of_kind(self, kind: str) -> dict[str, SchemaDef]:
        """Tags or edge types by name, for TAG or EDGE."""
        return self.tags if kind == "TAG" else self.edges

    def indexes_of(self, kind: str, owner: str) -> list[IndexDef]:
        """The indexes of a tag or an edge type."""
        return [item for item in self.indexes.values() if item.kind == kind and item.owner == owner]

    def definitions(self) -> list[SchemaDef]:
        """All tags, then all edge types."""
        return [*self.tags.values(), *self.edges.values()]
