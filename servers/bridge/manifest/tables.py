"""Tables of the bridge: collections, shares, documents, chunks, extractions, jobs; conversations and leads.

It owns the shape of the rows, not how or when they are written.
"""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    func,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from tools.access.identity import LOCAL
from tools.schema import JsonObject

PENDING, DONE, STALE, DELETING = "pending", "done", "stale", "deleting"
"""States of rows: about to be written, written, to be purged (a chunk), to be removed (a document)."""
WORDS = literal_column("'simple'::regconfig")


def _now() -> Column[datetime]:
    return Column(DateTime(timezone=True), server_default=func.now(), nullable=False)


def _text() -> Column[str]:
    return Column(String, server_default="", nullable=False)


def _owner(*, primary_key: bool = False) -> Column[str]:
    """Whose a row is: a user's name, `key:<id>`, or the deployment's own `local`."""
    return Column(String(80), server_default=LOCAL.user, nullable=False, primary_key=primary_key)


class CollectionRow(SQLModel, table=True):
    """A named set of documents; `physical` is its Milvus collection, `version` grows with every write."""

    __tablename__: ClassVar[str] = "collections"  # type: ignore[misc]  # SQLModel says declared_attr

    tenant: str = Field(primary_key=True, max_length=64)
    name: str = Field(primary_key=True, max_length=63)
    physical: str
    embedder: str
    dimensions: int
    languages: list[str] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    version: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    owner: str = Field(default=LOCAL.user, sa_column=_owner())


class DocumentRow(SQLModel, table=True):
    """`content_hash` covers title and text, `attributes_hash` the rest; both count only while `done`.

    `source_uri` brought it from `origin`, one of `origin_documents` in there; `replaces` is the id of the
    document that goes when this one is done, `former_ids` are what it was called, the oldest first."""

    __tablename__: ClassVar[str] = "documents"  # type: ignore[misc]  # SQLModel says declared_attr
    __table_args__: ClassVar[tuple[Index, ...]] = (
        Index("documents_by_name", "tenant", "collection", "name"),
        Index("documents_by_owner", "tenant", "owner"),
        Index("documents_by_origin", "tenant", "collection", "origin"),
        Index(
            "documents_by_origin_hash",
            "tenant",
            "collection",
            "origin_hash",
            postgresql_where=literal_column("origin_hash <> ''"),
        ),
        Index("documents_by_source_uri", "tenant", "collection", "source_uri"),
    )

    tenant: str = Field(primary_key=True, max_length=64)
    collection: str = Field(primary_key=True, max_length=63)
    id: str = Field(primary_key=True, max_length=256)
    title: str = ""
    name: str = ""
    source: str = ""
    language: str = "en"
    state: str = Field(default=PENDING, index=True)
    content_hash: str
    attributes_hash: str
    versions: str
    chunks: int = 0
    in_graph: bool = False
    source_uri: str = Field(default="", sa_column=_text())
    origin: str = Field(default="", sa_column=_text())
    origin_hash: str = Field(default="", sa_column=_text())
    origin_reader: str = Field(default="", sa_column=_text())
    origin_documents: int = Field(
        default=0, sa_column=Column(Integer, server_default=literal_column("0"), nullable=False)
    )
    replaces: str = Field(default="", sa_column=_text())
    former_ids: list[str] = Field(
        default_factory=list,
        sa_column=Column(JSONB, server_default=literal_column("'[]'::jsonb"), nullable=False),
    )
    owner: str = Field(default=LOCAL.user, sa_column=_owner())
    meta: JsonObject = Field(default_factory=dict, sa_column=Column("metadata", JSONB, nullable=False))
    created_at: datetime | None = Field(default=None, sa_column=_now())
    updated_at: datetime | None = Field(default=None, sa_column=_now())


class ChunkRow(SQLModel, table=True):
    """One passage that Milvus and the graph hold, or are about to hold (`pending`).

    Its text lives here too: indexes can be repaired, or rebuilt for another embedder, from this table.
    `whereabouts` are those of `tools.schema`; a passage of before they were kept has none.
    """

    __tablename__: ClassVar[str] = "chunks"  # type: ignore[misc]  # SQLModel says declared_attr
    __table_args__: ClassVar[tuple[Index, ...]] = (
        Index("chunks_of_document", "tenant", "collection", "document_id"),
        Index("chunks_by_hash", "tenant", "collection", "chunk_hash"),
        Index("chunks_words", func.to_tsvector(WORDS, literal_column("tokens")), postgresql_using="gin"),
    )

    id: str = Field(primary_key=True, max_length=36)
    tenant: str = Field(max_length=64)
    collection: str = Field(max_length=63)
    document_id: str = Field(max_length=256)
    chunk_hash: str = Field(max_length=64)
    position: int
    heading: str = ""
    text: str = ""
    tokens: str = ""
    state: str = PENDING
    whereabouts: JsonObject | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))


class TextRow(SQLModel, table=True):
    """A document's text as its passages' spans count it; it goes with the document's row."""

    __tablename__: ClassVar[str] = "capibara6_texts"  # type: ignore[misc]  # SQLModel says declared_attr
    __table_args__: ClassVar[tuple[ForeignKeyConstraint, ...]] = (
        ForeignKeyConstraint(
            ["tenant", "collection", "id"],
            ["documents.tenant", "documents.collection", "documents.id"],
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
    )

    tenant: str = Field(primary_key=True, max_length=64)
    collection: str = Field(primary_key=True, max_length=63)
    id: str = Field(primary_key=True, max_length=256)
    text: str


class ExtractionRow(SQLModel, table=True):
    """What one extractor found in a document of this `content_hash`; `pending` is not all in the graph."""

    __tablename__: ClassVar[str] = "extractions"  # type: ignore[misc]  # SQLModel says declared_attr

    tenant: str = Field(primary_key=True, max_length=64)
    collection: str = Field(primary_key=True, max_length=63)
    document_id: str = Field(primary_key=True, max_length=256)
    extractor: str = Field(primary_key=True, max_length=128)
    content_hash: str
    state: str = Field(default=PENDING, index=True)
    entities: list[JsonObject] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    relations: list[JsonObject] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    updated_at: datetime | None = Field(default=None, sa_column=_now())


class JobRow(SQLModel, table=True):
    """One ingestion: how far it is and what failed."""

    __tablename__: ClassVar[str] = "jobs"  # type: ignore[misc]  # SQLModel says declared_attr

    id: str = Field(primary_key=True, max_length=36)
    tenant: str = Field(max_length=64, index=True)
    collection: str = Field(max_length=63)
    state: str = "queued"
    total: int = 0
    done: int = 0
    accepted: int = 0
    unchanged: int = 0
    failed: list[dict[str, str]] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    reason: str = ""
    owner: str = Field(default=LOCAL.user, sa_column=_owner())
    created_at: datetime | None = Field(default=None, sa_column=_now())
    updated_at: datetime | None = Field(default=None, sa_column=_now())


class ConversationRow(SQLModel, table=True):
    """A conversation that a user asked the API to keep."""

    __tablename__: ClassVar[str] = "conversations"  # type: ignore[misc]  # SQLModel says declared_attr

    tenant: str = Field(primary_key=True, max_length=64)
    owner: str = Field(default=LOCAL.user, sa_column=_owner(primary_key=True))
    id: str = Field(primary_key=True, max_length=64)
    title: str = ""
    messages: list[JsonObject] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    meta: JsonObject = Field(default_factory=dict, sa_column=Column("metadata", JSONB, nullable=False))
    updated_at: datetime | None = Field(default=None, sa_column=_now())


class LeadRow(SQLModel, table=True):
    """A person who left their address."""

    __tablename__: ClassVar[str] = "leads"  # type: ignore[misc]  # SQLModel says declared_attr

    tenant: str = Field(primary_key=True, max_length=64)
    owner: str = Field(default=LOCAL.user, sa_column=_owner(primary_key=True))
    id: str = Field(primary_key=True, max_length=64)
    name: str = ""
    email: str = ""
    message: str = ""
    meta: JsonObject = Field(default_factory=dict, sa_column=Column("metadata", JSONB, nullable=False))
    created_at: datetime | None = Field(default=None, sa_column=_now())


class ShareRow(SQLModel, table=True):
    """Who else may read or write a collection; `access` is `read` or `write`, `name` empty for everybody."""

    __tablename__: ClassVar[str] = "capibara6_shares"  # type: ignore[misc]  # SQLModel says declared_attr

    tenant: str = Field(primary_key=True, max_length=64)
    collection: str = Field(primary_key=True, max_length=63)
    kind: str = Field(primary_key=True, max_length=16)
    name: str = Field(primary_key=True, max_length=80)
    access: str = Field(max_length=16)
