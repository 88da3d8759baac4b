"""Bodies of the bridge's answers, one model an operation.

Those that other parts speak too are in `tools.schema`; those of keys and of what is saved stand beside their
routes. What is made here from checked values is not validated again (`SkipValidation`).
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, SkipValidation

from servers.bridge.clients.postgres.rows import TableView
from tools.schema import JsonObject, Whereabouts


class CollectionView(BaseModel):
    """`version` grows with every write; `chunks` are passages."""

    name: str
    embedder: str
    dimensions: int
    languages: list[str]
    version: int
    documents: int
    chunks: int
    owner: str


class CollectionList(BaseModel):
    """The tenant's collections, by name."""

    collections: list[CollectionView]


class ReconcileReport(BaseModel):
    """How many passages Milvus had `lost`."""

    lost: int


class EmbedderView(BaseModel):
    """An embedder by one of its names; `languages` are those that it knows."""

    name: str
    model: str
    dimensions: int
    languages: list[str]


class EmbedderList(BaseModel):
    """Every embedder by every name that it answers to; `default` is the model of the default one."""

    default: str
    embedders: list[EmbedderView]


class PassageView(Whereabouts):
    """One chunk of a document; `position` counts from 0, `span` in the document's `text`."""

    id: str
    position: int
    heading: str
    text: str


class DocumentView(BaseModel):
    """A finished document; `chunks` is how many passages it has, `extractors` read it as it is now; `text` is
    null for one that was written before it was kept.

    `source_uri` brought it from `origin`, both empty for one that a program wrote; `former_ids` are what it
    was called before it moved, the oldest first."""

    id: str
    title: str
    source: str
    language: str
    chunks: int
    metadata: JsonObject = Field(default_factory=dict)
    updated_at: datetime | None = None
    content_hash: str = ""
    extractors: list[str] = Field(default_factory=list)
    source_uri: str = ""
    origin: str = ""
    former_ids: list[str] = Field(default_factory=list)
    created_at: datetime | None = None
    text: str | None = None
    passages: list[PassageView] | None = None


class DocumentList(BaseModel):
    """One page of documents, and how many there are in all."""

    documents: list[DocumentView]
    total: int


class DifferenceView(BaseModel):
    """What is stored of one that was asked about: `documents` are the ids of all of that file, `hash` that
    under which all of it is stored as this reader reads it (empty where it is not), `elsewhere` files of the
    same content, where it is new."""

    id: str
    status: Literal["new", "changed", "same"]
    documents: list[str]
    hash: str
    elsewhere: list[str]


class DifferenceList(BaseModel):
    """One for each that was asked about, in the same order."""

    documents: list[DifferenceView]


class DeletedDocument(BaseModel):
    """The document's id and the collection's new version."""

    deleted: str
    collection_version: int


class ExtractionReport(BaseModel):
    """What is stored of one extractor for one document; `changed` when it was not so before."""

    id: str
    extractor: str
    entities: int
    relations: int
    changed: bool
    collection_version: int


class JobView(BaseModel):
    """A job and how far it is; `failed` has an id and a reason for each document."""

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


class JobList(BaseModel):
    """The tenant's last hundred jobs, newest first."""

    jobs: list[JobView]


class TextVectors(BaseModel):
    """A vector for each of `texts`, in order."""

    vectors: SkipValidation[list[list[float]]]
    model: str
    dimensions: int


class OpenAIEmbedding(BaseModel):
    """One vector, as OpenAI's API gives it: numbers, or packed."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: SkipValidation[list[float] | str]


class OpenAIUsage(BaseModel):
    """Words, where OpenAI counts tokens."""

    prompt_tokens: int
    total_tokens: int


class OpenAIEmbeddings(BaseModel):
    """A vector for each of `input`, as OpenAI's API gives it."""

    object: Literal["list"] = "list"
    data: list[OpenAIEmbedding]
    model: str
    usage: OpenAIUsage


class MilvusHits(BaseModel):
    """Rows, best first: `id`, `score` (cosine) and the fields that were asked for."""

    results: SkipValidation[list[JsonObject]]


class Inserted(BaseModel):
    """How many rows, or vertices and edges, were written."""

    inserted: int


class MilvusCollection(BaseModel):
    """A collection as Milvus holds it, under its `physical` name."""

    name: str
    physical: str
    embedder: str
    dimensions: int
    languages: list[str]
    version: int


class MilvusCollections(BaseModel):
    """The tenant's collections that Milvus holds."""

    collections: list[MilvusCollection]


class NebulaResult(BaseModel):
    """Columns and rows of one statement, and how long it took in milliseconds."""

    columns: list[str]
    rows: SkipValidation[list[list[Any]]]
    latency_ms: float


class NebulaSpaces(BaseModel):
    """The tenant's spaces, under the names that it uses."""

    spaces: list[str]


class PostgresTables(BaseModel):
    """The tables and views that the tenant's SQL may read."""

    tables: list[TableView]


class RedisValue(BaseModel):
    """A key and its value, as text."""

    key: str
    value: str


class RedisStored(BaseModel):
    """The key that was written."""

    key: str
    stored: Literal[True] = True


class RedisDeleted(BaseModel):
    """The key, and whether it was there."""

    key: str
    deleted: bool
