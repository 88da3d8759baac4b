"""Requests and answers of the bridge that no other part speaks; the shared ones are in `tools.schema`."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, model_validator

from tools.schema import CollectionName, Language, Wire

Vector = list[float]


class EmbeddingRequest(Wire):
    """`texts`, or OpenAI's `input` (one text or many)."""

    texts: list[str] | None = Field(None, max_length=2_048)
    input: str | list[str] | None = None
    model: str | None = None
    encoding_format: str | None = None
    dimensions: int | None = None
    user: str | None = None

    @model_validator(mode="after")
    def _something(self) -> "EmbeddingRequest":
        if (self.texts is None) == (self.input is None):
            raise ValueError("give either texts or input")
        if not 1 <= len(self.wanted) <= 2_048 or not all(text.strip() for text in self.wanted):
            raise ValueError("from 1 to 2048 texts, none of them empty")
        return self

    @property
    def wanted(self) -> list[str]:
        if self.texts is not None:
            return self.texts
        return [self.input] if isinstance(self.input, str) else list(self.input or [])


class MilvusSearch(Wire):
    collection: str = Field("capibara6", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}$")
    vector: Vector | None = Field(None, min_length=1, max_length=8_192)
    text: str | None = Field(None, min_length=1, max_length=32_000)
    top_k: int = Field(10, ge=1, le=1_000)
    filter: str | None = Field(None, max_length=10_000)
    output_fields: list[str] | None = Field(None, max_length=32)

    @model_validator(mode="after")
    def _one(self) -> "MilvusSearch":
        if (self.vector is None) == (self.text is None):
            raise ValueError("give either vector or text")
        return self


class MilvusInsert(Wire):
    """Rows of a collection; a `text` without a `dense` vector is embedded."""

    collection: CollectionName = "capibara6"
    rows: list[dict[str, Any]] = Field(min_length=1, max_length=1_000)


class NebulaQuery(Wire):
    space: str = Field("capibara6", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,126}$")
    query: str = Field(min_length=1, max_length=100_000)
    params: dict[str, Any] | None = None


class NebulaInsert(Wire):
    """Vertices `{vid, tag, properties}` and edges `{src, dst, edge, rank?, properties}`."""

    space: str = Field("capibara6", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,126}$")
    vertices: list["Vertex"] = Field(default_factory=list, max_length=1_000)
    edges: list["Edge"] = Field(default_factory=list, max_length=1_000)


class Vertex(Wire):
    vid: str = Field(min_length=1, max_length=64)
    tag: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,126}$")
    properties: dict[str, Any] = Field(default_factory=dict)


class Edge(Wire):
    src: str = Field(min_length=1, max_length=64)
    dst: str = Field(min_length=1, max_length=64)
    edge: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,126}$")
    rank: int = 0
    properties: dict[str, Any] = Field(default_factory=dict)


class SqlQuery(Wire):
    """One SELECT or EXPLAIN; values as `$1`, `$2`, … bound from `params`."""

    query: str = Field(min_length=1, max_length=100_000)
    params: list[Any] = Field(default_factory=list, max_length=100)
    max_rows: int = Field(1_000, ge=1, le=1_000)


class RedisSet(Wire):
    key: str = Field(min_length=1, max_length=512)
    value: str = Field(max_length=1_000_000)
    ttl_s: int | None = Field(None, ge=1, le=31_536_000)


class CollectionRequest(Wire):
    """`embedder` is one of `GET /api/v1/embedders`; without it, the default one."""

    name: CollectionName
    embedder: str | None = Field(None, min_length=1, max_length=256)
    languages: list[Language] = Field(default_factory=list, max_length=8)


class ReembedRequest(Wire):
    embedder: str | None = Field(None, min_length=1, max_length=256)


class CollectionView(BaseModel):
    """`version` grows with every write; `chunks` are passages."""

    name: str
    embedder: str
    dimensions: int
    languages: list[str]
    version: int
    documents: int
    chunks: int


class DocumentView(BaseModel):
    id: str
    title: str
    source: str
    language: str
    chunks: int
    metadata: dict[str, Any] = Field(default_factory=dict)
    updated_at: datetime | None = None
    content_hash: str = ""
    extractors: list[str] = Field(default_factory=list)
    passages: list[dict[str, Any]] | None = None


class JobView(BaseModel):
    id: str
    collection: str
    state: str
    total: int
    done: int
    accepted: int
    unchanged: int
    failed: list[dict[str, str]]
    reason: str
    created_at: datetime | None
    updated_at: datetime | None


NebulaInsert.model_rebuild()
