"""The candidates of a search: what the retrievers brought, before fusion and ranking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from servers.bridge.graph.expansion import Expansion
from tools.schema import JsonObject, Language
from tools.text.stopwords import STOP_WORDS
from tools.text.words import fold, words

Vector = NDArray[np.float32]


class PassageRow(TypedDict):
    """A passage as Milvus, or PostgreSQL in its place, answers with it."""

    document_id: str
    title: str
    source: str
    heading: str
    language: str
    text: str
    metadata: JsonObject


@dataclass
class Candidates:
    """Raw scores by retriever and passage id (sizes; a store's sign of BM25 says nothing), the passages'
    rows, what did not answer (`degraded`: retrievers and stores), how the graph was walked, and the query's
    vector (float32, length 1) where one was made."""

    scores: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    rows: dict[str, PassageRow] = field(default_factory=dict[str, PassageRow])
    degraded: list[str] = field(default_factory=list[str])
    expansion: Expansion = field(default_factory=Expansion)
    vector: Vector | None = None

    def add(self, retriever: str, hits: Sequence[Mapping[str, Any]]) -> None:
        """Take the hits of a store: `{id, distance, entity}` each."""
        self.scores[retriever] = {hit["id"]: abs(float(hit["distance"])) for hit in hits}
        for hit in hits:
            self.rows.setdefault(hit["id"], passage_row(hit["entity"]))

    def degrade(self, *names: str) -> None:
        """Name what did not answer, each once."""
        self.degraded += [name for name in names if name not in self.degraded]


def passage_row(row: Mapping[str, Any]) -> PassageRow:
    """The fields of a store's row that a search needs; what callers inserted themselves may lack some."""
    return PassageRow(
        document_id=row["document_id"],
        title=row["title"],
        source=row["source"],
        heading=row.get("heading") or "",
        language=row.get("language", "en"),
        text=row["text"],
        metadata=row.get("metadata") or {},
    )


def labelled(row: PassageRow) -> Language:
    """The language of a passage's document."""
    return "es" if row["language"] == "es" else "en"


@lru_cache(maxsize=2_000)
def leaning(text: str, one: Language, other: Language) -> int:
    """How many little words more a text has of `one` language than of the `other`."""
    own, foreign = STOP_WORDS[one], STOP_WORDS[other]
    folded = [fold(word) for word in words(text)]
    return sum((word in own) - (word in foreign) for word in folded)
