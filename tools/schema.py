"""Wire types that several parts speak: the bridge's documents and search, the agents' answers and events.

OpenAI's own types are not repeated here: they come from the `openai` package or pass through as JSON.
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object whose fields are another's business: passed on or looked into, never owned here."""

Language = Literal["es", "en"]
Leg = Literal["dense", "text", "graph"]
Identifier = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f]+$")]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
CollectionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Wire(BaseModel):
    """Requests refuse unknown fields, so a misspelt option is an error and not a silence."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Document(Wire):
    """One document as the bridge takes it; `text` is plain text or Markdown."""

    id: Identifier
    title: str = Field(default="", max_length=1_000)
    text: str
    source: str = Field(default="", max_length=2_000)
    language: Language | None = None
    metadata: JsonObject = {}


class IngestRequest(Wire):
    documents: list[Document] = Field(min_length=1, max_length=1_000)
    collection: CollectionName = "capibara6"
    wait: bool = True


class FailedDocument(BaseModel):
    id: str
    reason: str


class IngestReport(BaseModel):
    """`accepted` were written, `unchanged` had the same content, `failed` are named with the reason."""

    accepted: int = 0
    unchanged: int = 0
    failed: list[FailedDocument] = []
    job_id: str | None = None
    collection_version: int = 0


class ExtractedEntity(Wire):
    """Something that a passage speaks of; `kind` as the extractor calls it ("person", "place")."""

    name: Name
    kind: Name | None = None
    chunk_id: Identifier


class ExtractedRelation(Wire):
    """A statement of a passage: `subject` — `relation` → `object`."""

    subject: Name
    relation: Name
    object: Name
    chunk_id: Identifier


class Extraction(Wire):
    """What an extractor found in one document, as it was when it had `content_hash`."""

    extractor: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}$")
    content_hash: str = Field(min_length=1, max_length=64)
    entities: list[ExtractedEntity] = Field(default=[], max_length=5_000)
    relations: list[ExtractedRelation] = Field(default=[], max_length=5_000)


class SearchRequest(Wire):
    query: str = Field(min_length=1, max_length=32_000)
    top_k: int = Field(default=5, ge=1, le=100)
    collection: CollectionName = "capibara6"
    filter: str | None = Field(default=None, max_length=10_000)
    legs: list[Leg] | None = Field(default=None, min_length=1)
    rerank: bool = False
    explain: bool = False


class Hit(BaseModel):
    """One passage; `score` in [0, 1]; `legs` says what each leg thought of it (rank from 1, raw score)."""

    id: str
    document_id: str
    title: str = ""
    source: str = ""
    text: str
    score: float = Field(ge=0, le=1)
    legs: dict[str, JsonObject] = {}
    metadata: JsonObject = {}


class SearchResponse(BaseModel):
    results: list[Hit]
    degraded: list[str] = []
    cached: bool = False
    cache: Literal["exact", "semantic"] | None = None
    took_ms: float = 0.0
    collection_version: int = 0


class Citation(BaseModel):
    """Passage `n` of an answer, where it comes from and what it says."""

    n: int = Field(ge=1)
    title: str
    source: str
    document_id: str
    text: str


class Route(BaseModel):
    """The pool's routing decision: `wanted` is what the question deserves, `model` what serves it now."""

    wanted: str
    model: str
    confidence: float = Field(ge=0, le=1)
    reasons: list[str]
    signals: dict[str, float] = {}
    alternatives: list[str] = []


class Answer(BaseModel):
    """What an agent run ends with; `timings_ms` has one entry a stage plus `total`."""

    answer: str
    citations: list[Citation] = []
    model: str
    agent: str
    route: Route | None = None
    timings_ms: dict[str, float] = {}
    thread_id: str | None = None
    degraded: list[str] = []


class SpeechRequest(Wire):
    text: str = Field(min_length=1, max_length=10_000)
    language: Language = "es"
    voice_id: str | None = Field(default=None, max_length=128)
    speed: float = Field(default=1.0, ge=0.25, le=4.0)


class Speech(BaseModel):
    """`audio` is base64 of a WAV file (16-bit mono)."""

    audio: str
    format: Literal["wav"] = "wav"
    sample_rate: int
    duration_s: float
    voice: str
