"""Grounding of extracted entities and relations: what of a model's answer the passage says too. Pure.

An entity is kept when the passage says its name; a relation, when it is between two entities that are kept.
"""

import json
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any, Final

from flows.extraction.prompt import Answer
from tools.schema import ExtractedEntity, ExtractedRelation

MAX_PER_DOCUMENT: Final = 5_000


@dataclass
class Grounded:
    """What was kept of a document's answers; `dropped` counts entities and relations that were not, `broken`
    answers that are not what was asked for."""

    entities: list[ExtractedEntity] = field(default_factory=list)
    relations: list[ExtractedRelation] = field(default_factory=list)
    dropped: int = 0
    broken: int = 0

    def add(self, answer: str, passage: str, chunk_id: str) -> None:
        """What the model answered about a passage, as far as the passage says it."""
        try:
            given = Answer.model_validate(_json(answer))
            entities, relations = _grounded(given, passage, chunk_id)
        except (ValueError, RecursionError):  # pydantic's own error is a ValueError
            self.broken += 1
            return
        self.dropped += len(given.entities) - len(entities) + len(given.relations) - len(relations)
        self.dropped += max(0, len(self.entities) + len(entities) - MAX_PER_DOCUMENT)
        self.dropped += max(0, len(self.relations) + len(relations) - MAX_PER_DOCUMENT)
        self.entities = [*self.entities, *entities][:MAX_PER_DOCUMENT]
        self.relations = [*self.relations, *relations][:MAX_PER_DOCUMENT]


def _grounded(
    given: Answer, passage: str, chunk_id: str
) -> tuple[list[ExtractedEntity], list[ExtractedRelation]]:
    """Raises `pydantic.ValidationError` for names that the bridge would refuse."""
    text = _normalized(passage)
    named = {_normalized(item.name): item for item in given.entities if _occurs(_normalized(item.name), text)}
    entities = [
        ExtractedEntity(name=_one_line(item.name), kind=_one_line(item.kind or "") or None, chunk_id=chunk_id)
        for item in named.values()
    ]
    relations = [
        ExtractedRelation(
            subject=_one_line(item.subject),
            relation=_one_line(item.relation),
            object=_one_line(item.object),
            chunk_id=chunk_id,
        )
        for item in given.relations
        if _normalized(item.subject) in named and _normalized(item.object) in named
    ]
    return entities, relations


def _json(answer: str) -> Any:
    """The object in an answer, which may stand between other words or in a fence. Raises `ValueError`."""
    start, end = answer.find("{"), answer.rfind("}")
    if start < 0 or end < start:
        raise ValueError("no object")
    return json.loads(answer[start : end + 1])


def _normalized(text: str) -> str:
    """Without case, accents and line breaks: models change those."""
    bare = "".join(
        char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char)
    )
    return " ".join(bare.split())


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _occurs(name: str, text: str) -> bool:
    """As whole words."""
    return bool(name) and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None
