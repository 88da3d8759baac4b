"""Wire types that several parts speak: the bridge's documents and search, the agents' answers and events.

OpenAI's own types are not repeated here: they come from the `openai` package or pass through as JSON.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object whose fields are another's business: passed on or looked into, never owned here."""

Language = Literal["es", "en"]
Leg = Literal["dense", "text", "graph"]
ONE_LINE = r"^[^\x00-\x1f]*$"
Identifier = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f]+$")]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
CollectionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Wire(BaseModel):
    """Requests refuse unknown fields, so a misspelt option is an error and not a silence."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Origin(Wire):
    """What a document came from: the identity `id` of a file, page or message, its `hash`, by which `reader`
    it was read and how many `documents` it holds; `source_uri` names the source that brought it."""

    id: Identifier
    source_uri: str = Field(default="", max_length=2_000, pattern=ONE_LINE)
    hash: str = Field(default="", max_length=128, pattern=ONE_LINE)
    reader: str = Field(default="", max_length=128, pattern=ONE_LINE)
    documents: int = Field(default=0, ge=0, le=2**31 - 1)


class Place(Wire):
    """Where in its file a document's text is, from the character `start` on and up to the next place: a page
    or slide from 1, the first and last row of a sheet (a delimited file has rows and no sheet)."""

    start: int = Field(ge=0)
    page: int | None = Field(default=None, ge=1)
    slide: int | None = Field(default=None, ge=1)
    sheet: str | None = Field(default=None, max_length=1_000)
    rows: tuple[int, int] | None = None


class Document(Wire):
    """One document as the bridge takes it; `text` is plain text or Markdown, `places` say where its parts are
    in the file that it was read from. A stored document of the id `formerly` with the same content becomes
    this one: it moved, or was called otherwise."""

    id: Identifier
    title: str = Field(default="", max_length=1_000)
    text: str
    source: str = Field(default="", max_length=2_000)
    language: Language | None = None
    metadata: JsonObject = {}
    origin: Origin | None = None
    formerly: Identifier | None = None
    places: list[Place] = Field(default=[], max_length=200_000)


class IngestRequest(Wire):
    documents: list[Document] = Field(min_length=1, max_length=1_000)
    collection: CollectionName = "capibara6"
    wait: bool = True
    wait_s: float = Field(default=300.0, ge=0, le=600)


class FailedDocument(BaseModel):
    id: str
    reason: str


class IngestReport(BaseModel):
    """`accepted` were written, `unchanged` had the same content, `failed` are named with the reason.
    The ids of those written are `added` or `changed`, or in `moved`, with what they were called; they have
    so many `passages`."""

    accepted: int = 0
    passages: int = 0
    unchanged: int = 0
    added: list[str] = []
    changed: list[str] = []
    moved: dict[str, str] = {}
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


class Whereabouts(BaseModel):
    """Where a passage stands: `span` is what it holds of its document's text (characters from, up to; without
    what it repeats before that, such as a header row), `headings` what it stands below, outermost first; the
    rest is of the file, as in `Place`. None is what there is not, or was not kept when it was ingested."""

    headings: list[str] | None = None
    span: tuple[int, int] | None = None
    page: int | None = None
    slide: int | None = None
    sheet: str | None = None
    rows: tuple[int, int] | None = None


class Hit(Whereabouts):
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
    """What a search found, best first; `embedder` is whose cosines its dense leg has."""

    results: list[Hit]
    embedder: str = ""
    degraded: list[str] = []
    cached: bool = False
    cache: Literal["exact", "semantic"] | None = None
    took_ms: float = 0.0
    collection_version: int = 0


class Citation(Whereabouts):
    """Passage `n` of an answer, where it comes from and what it says."""

    n: int = Field(ge=1)
    title: str
    source: str
    document_id: str
    text: str
    headings: list[str] | None = None


class Route(BaseModel):
    """The pool's routing decision: `wanted` is what the question deserves, `model` what serves it now.

    `difficulty` is the probability that a cheaper model than the strongest fails, None when nobody judged it;
    `ready` is whether it can answer at once, without being loaded; `context_tokens` is its window, where
    known; `stands_in_for` is the model that is being loaded meanwhile, if an agent found it so.
    """

    wanted: str
    model: str
    confidence: float = Field(ge=0, le=1)
    difficulty: float | None = Field(default=None, ge=0, le=1)
    reasons: list[str]
    signals: dict[str, float] = {}
    alternatives: list[str] = []
    ready: bool = True
    context_tokens: int | None = None
    stands_in_for: str | None = None


Grounding = Literal["strict", "mark", "off"]
"""What becomes of a sentence that no passage supports: left out, shown with a mark, shown as it is."""


class Span(BaseModel):
    """Characters `start` to `end` of the text of passage `n` (0 for what is not cited, as a tool's
    answer)."""

    n: int = Field(ge=0)
    start: int = Field(ge=0)
    end: int = Field(ge=0)


class SupportedSentence(BaseModel):
    """Characters `start` to `end` of an answer: a `claim` and whether passages support it (`support` in [0,
    1], `spans` where), a `refusal` that says what was not found, or `other`, which states nothing."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    kind: Literal["claim", "refusal", "other"]
    supported: bool
    support: float = Field(default=0.0, ge=0, le=1)
    spans: list[Span] = []


class Answer(BaseModel):
    """What an agent run ends with; `timings_ms` has one entry a stage plus `total`.

    `finish_reason` is `length` when the answer was cut, and `tool_calls` when the caller is to make those
    (OpenAI's shape) before there is an answer; `notes` are codes of what a reader should know of how
    it came about (`grounding_fallback`, `loading_fallback`, `fewer_passages`, `repetition`,
    `only_reasoning`). `reasoning` is what a model thought aloud, where the settings show it.
    """

    answer: str
    citations: list[Citation] = []
    support: float | None = Field(default=None, ge=0, le=1)
    """The probability that the passages found hold the answer; None where none were looked for."""
    support_reason: str = ""
    model: str
    agent: str
    route: Route | None = None
    timings_ms: dict[str, float] = {}
    thread_id: str | None = None
    degraded: list[str] = []
    sentences: list[SupportedSentence] = []
    finish_reason: Literal["stop", "length", "tool_calls"] = "stop"
    tool_calls: list[JsonObject] = []
    notes: list[str] = []
    reasoning: str = ""


class Turn(BaseModel):
    """A question of a thread and what became of it: the whole `answer`; or, of a run that goes on, was
    stopped or failed, the `text` so far, the passages found for it and the `error` object. `status` is the
    run's."""

    run_id: str
    status: str
    question: str
    created_at: str
    answer: Answer | None = None
    text: str = ""
    citations: list[Citation] = []
    error: JsonObject | None = None


VoiceEngine = Literal["auto", "kokoro", "espeak", "coqui"]


class SpeechSettings(BaseModel, frozen=True, extra="forbid"):
    """Which engine speaks unless a voice is named: `auto` prefers the best that keeps up on this machine.

    Each model takes `threads` cores and is unloaded after `idle_s` seconds without work. `recogniser` is
    `auto` (what `make stt` brings), `off`, a folder or a hub's name; a recording may take `recogniser_s`.
    `coqui` names a model or its folder for each language, `coqui_terms` agrees to XTTS's licence."""

    voice_engine: VoiceEngine = "auto"
    threads: int = Field(default=1, ge=1, le=64)
    idle_s: float = Field(default=300.0, gt=0)
    recogniser: str = Field(default="auto", min_length=1, max_length=1_024)
    recogniser_s: float = Field(default=300.0, gt=0)
    coqui: dict[Language, str] = {}
    coqui_python: Path = Path(".venv-tts/bin/python")
    coqui_terms: bool = False


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
