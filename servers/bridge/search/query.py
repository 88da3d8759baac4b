"""The query of a hybrid search: its language detected, its words as each language of a collection indexes
them.

Pure. What the wire says of a search is `tools.schema.SearchRequest`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from servers.bridge.text.cross_lingual import translated_stems
from tools.schema import Language
from tools.text.language import detect

RETRIEVERS = ("dense", "text", "graph")


@dataclass(frozen=True)
class Query:
    """A query with what the retrievers need to know of it.

    `languages` are those to look in, the query's own (`language`) first; `filter` has been checked; `limit`
    is how many passages each retriever may bring; `retrievers` are some of `RETRIEVERS`.
    """

    text: str
    language: Language
    languages: tuple[Language, ...]
    filter: str
    limit: int
    retrievers: tuple[str, ...]

    @property
    def stems(self) -> list[str]:
        """What to look for: the words as each of `languages` would have indexed them, without repetition."""
        found = [
            stem for target in self.languages for stem in translated_stems(self.text, self.language, target)
        ]
        return list(dict.fromkeys(found))


def analyse_query(
    text: str, *, languages: Sequence[str], filter: str, limit: int, retrievers: Sequence[str] | None
) -> Query:
    """The query with its language detected; where nothing tells, it is the collection's only one, else
    English.

    `languages` are the collection's; without `retrievers`, all are asked."""
    indexed: tuple[Language, ...] = tuple("es" if item == "es" else "en" for item in languages)
    language = detect(text, default=indexed[0] if len(indexed) == 1 else "en")
    looked_in = tuple(dict.fromkeys((language, *indexed)))
    return Query(text, language, looked_in, filter, limit, tuple(retrievers or RETRIEVERS))
