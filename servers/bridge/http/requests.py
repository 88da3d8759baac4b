"""Bodies of the bridge's requests, and types of fields that PostgreSQL can hold.

Those that other parts speak too are in `tools.schema`; those of keys and of what is saved stand beside their
routes.
"""

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from tools.schema import CollectionName, Identifier, JsonObject, Language, Wire

Vector = list[float]
MAX_DEPTH = 32


def storable(value: Any, depth: int = 0) -> Any:
    """`value`, when PostgreSQL can hold it. Raises ValueError."""
    if depth > MAX_DEPTH:
        raise ValueError("is nested too deeply")
    match value:
        case str():
            if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
                raise ValueError("holds a NUL or broken characters")
        case float() if not math.isfinite(value):
            raise ValueError("holds a number that is not finite")
        case dict():
            for key, item in value.items():
                storable(key)
                storable(item, depth + 1)
        case list():
            for item in value:
                storable(item, depth + 1)
    return value


Text = Annotated[str, AfterValidator(storable)]
Extra = Annotated[JsonObject, AfterValidator(storable)]


class EmbeddingRequest(Wire):
    """`texts`, or OpenAI's `input` (one text or many); `input_type` says whether they are questions or what
    may answer them, which some models read differently. `model` is one of `GET /api/v1/embedders`; `user` is
    taken, as OpenAI's clients send it, and changes nothing."""

    texts: list[str] | None = Field(None, max_length=2_048)
    input: str | list[str] | None = None
    input_type: Literal["query", "passage"] = "passage"
    model: str | None = Field(None, max_length=256)
    encoding_format: Literal["float", "base64"] = "float"
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
        """The texts to embed, by whichever name they came."""
        if self.texts is not None:
            return self.texts
        return [self.input] if isinstance(self.input, str) else list(self.input or [])


class KnownDocument(Wire):
    """A document, or a file that documents came from, and its hash as the caller has it."""

    id: Annotated[Identifier, AfterValidator(storable)]
    hash: Text = Field(max_length=128)


class DifferencesRequest(Wire):
    """What is asked about: `hash` is a document's `content_hash`, or that of a file, as `reader` reads it."""

    documents: list[KnownDocument] = Field(min_length=1, max_length=5_000)
    collection: CollectionName = "capibara6"
    reader: str = Field("", max_length=128)


class MilvusSearch(Wire):
    """By a `vector` of the collection's dimensions, or by a `text` that is embedded."""

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
    rows: list[JsonObject] = Field(min_length=1, max_length=1_000)


class NebulaQuery(Wire):
    """One nGQL statement; values as `$name`, bound from `params`."""

    space: str = Field("capibara6", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,126}$")
    query: str = Field(min_length=1, max_length=100_000)
    params: JsonObject | None = None


class Vertex(Wire):
    """A vertex with one tag; its properties are null, boolean, number or text."""

    vid: str = Field(min_length=1, max_length=64)
    tag: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,126}$")
    properties: JsonObject = Field(default_factory=dict)


class Edge(Wire):
    """An edge of the type `edge`; `rank` tells it from others between the same vertices."""

    src: str = Field(min_length=1, max_length=64)
    dst: str = Field(min_length=1, max_length=64)
    edge: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,126}$")
    rank: int = 0
    properties: JsonObject = Field(default_factory=dict)


class NebulaInsert(Wire):
    """Vertices `{vid, tag, properties}` and edges `{src, dst, edge, rank?, properties}`."""

    space: str = Field("capibara6", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,126}$")
    vertices: list[Vertex] = Field(default_factory=list, max_length=1_000)
    edges: list[Edge] = Field(default_factory=list, max_length=1_000)


class SqlQuery(Wire):
    """One SELECT or EXPLAIN; values as `$1`, `$2`, … bound from `params`."""

    query: str = Field(min_length=1, max_length=100_000)
    params: list[Any] = Field(default_factory=list, max_length=100)
    max_rows: int = Field(1_000, ge=1, le=1_000)


class RedisSet(Wire):
    """A value of the tenant's own key, kept for `ttl_s` seconds or for good."""

    key: str = Field(min_length=1, max_length=512)
    value: str = Field(max_length=1_000_000)
    ttl_s: int | None = Field(None, ge=1, le=31_536_000)


class CollectionRequest(Wire):
    """`embedder` is one of `GET /api/v1/embedders`; without it, the default one."""

    name: CollectionName
    embedder: str | None = Field(None, min_length=1, max_length=256)
    languages: list[Language] = Field(default_factory=list, max_length=8)


class ReembedRequest(Wire):
    """`embedder` is one of `GET /api/v1/embedders`; without it, the default one."""

    embedder: str | None = Field(None, min_length=1, max_length=256)
