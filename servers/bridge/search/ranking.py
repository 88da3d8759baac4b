"""Ranks the candidates of a search into hits: one score in [0, 1] each, best first. Pure.

Of a passage and its translation, the one in the query's language goes first. Reordering by a model is
`rerank`'s.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from servers.bridge.search.candidates import Candidates, PassageRow
from servers.bridge.search.fusion import (
    FusionWeights,
    confidence,
    diversify,
    fuse,
    rescore,
)
from servers.bridge.search.query import Query
from tools.schema import Hit, Language
from tools.text.stopwords import STOP_WORDS
from tools.text.words import fold, stems, words

CONFIDENT_DEPTH = 3
"""How many of the best passages may hold the query's words: an answer quotes about as many. Chosen, not
measured."""
TRANSLATION_DEPTH = 8
"""More than the five hits of a usual answer: a translation just below them is still exchanged."""
TRANSLATION_OVERLAP, PREFIX_CHARS = 0.25, 5
"""A translation shares names, numbers and the beginnings of learned words. Of the parallel paragraphs of
XQuAD (en, es) 93 % share more than a quarter of the shorter one's, and 1 % of the most similar other ones
do."""


def rank(
    candidates: Candidates,
    query: Query,
    embedder_languages: tuple[str, ...],
    weights: FusionWeights,
    *,
    limit: int,
    explain: bool,
) -> list[Hit]:
    """The best `limit` passages, best first, ties by id.  `explain` adds the
    graph's path to a hit."""
    rows = candidates.rows
    fused = fuse(candidates, query, embedder_languages, weights)
    scores = rescore(fused, candidates.scores.get("graph", {}), weights)
    sections = {key: (row["document_id"], row["heading"]) for key, row in rows.items()}
    scores = diversify({key: scores[key] for key in scores if key in rows}, sections, weights)
    scores = prefer_own_language(scores, rows, query.language)
    best = _best_first(scores)
    certainty = _confidence(candidates, query, best, weights)
    ranks = {retriever: _ranks(found) for retriever, found in candidates.scores.items()}
    return [
        _hit(key, candidates, min(1.0, scores[key] * certainty), ranks, explain=explain)
        for key in best[:limit]
    ]


def prefer_own_language(
    scores: Mapping[str, float], rows: Mapping[str, PassageRow], language: Language
) -> dict[str, float]:
    """The scores; those of a passage in another language and of its translation below it are exchanged.

    Only the best `TRANSLATION_DEPTH` are read: what stands further down is not moved up.
    """
    found = dict(scores)
    best = _best_first(scores)[:TRANSLATION_DEPTH]
    languages: dict[str, Language] = {key: _language(rows[key], language) for key in best}
    if set(languages.values()) <= {language}:
        return found
    marks = {key: _translation_marks(rows[key]["text"], languages[key]) for key in best}
    own = [key for key in best if languages[key] == language]
    for position, foreign in enumerate(best):
        if languages[foreign] == language:
            continue
        below = (key for key in best[position:] if key in own)
        translation = next(
            (key for key in below if _overlap(marks[foreign], marks[key]) > TRANSLATION_OVERLAP), None
        )
        if translation is not None:
            found[foreign], found[translation] = found[translation], found[foreign]
            own.remove(translation)
    return found


def _confidence(candidates: Candidates, query: Query, best: Sequence[str], weights: FusionWeights) -> float:
    """How well the best passages answer at all: what makes a score mean the same for every query."""
    cosine = max(candidates.scores.get("dense", {}).values(), default=None)
    wanted = set(query.stems)
    size = max(1, len(set(stems(query.text, query.language))))
    covered = 0.0
    for key in best[:CONFIDENT_DEPTH]:
        row = candidates.rows[key]
        written = set(stems(f"{row['title']} {row['text']}", "es" if row["language"] == "es" else "en"))
        covered = max(covered, min(1.0, len(wanted & written) / size))
    return confidence(cosine, covered, weights)


def _hit(
    key: str, candidates: Candidates, score: float, ranks: Mapping[str, Mapping[str, int]], *, explain: bool
) -> Hit:
    row = candidates.rows[key]
    legs: dict[str, dict[str, Any]] = {
        retriever: {"rank": ranks[retriever][key], "score": round(candidates.scores[retriever][key], 6)}
        for retriever in ranks
        if key in ranks[retriever]
    }
    source, name = candidates.expansion.paths.get(key, ("", ""))
    if explain and "graph" in legs and source in candidates.rows:
        title = candidates.rows[source]["title"]
        legs["graph"]["path"] = [title, name, row["title"]]
        legs["graph"]["words"] = f"«{title}» — {name} → «{row['title']}»"
    shown = {"heading": row["heading"], "language": row["language"]}
    return Hit(
        id=key,
        document_id=row["document_id"],
        title=row["title"],
        source=row["source"],
        text=row["text"],
        score=score,
        legs=legs,
        metadata={**{field: value for field, value in shown.items() if value}, **row["metadata"]},
    )


def _best_first(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda key: (-scores[key], key))


def _ranks(scores: Mapping[str, float]) -> dict[str, int]:
    return {key: number for number, key in enumerate(_best_first(scores), 1)}


def _language(row: PassageRow, default: Language) -> Language:
    """A passage's language; another than `default` only where its little words say so too: passages of one
    language share enough to be taken for translations, and a label may be wrong."""
    labelled: Language = "es" if row["language"] == "es" else "en"
    if labelled == default:
        return default
    own, other = STOP_WORDS[labelled], STOP_WORDS[default]
    folded = [fold(word) for word in words(row["text"])]
    foreign = sum(word in own and word not in other for word in folded)
    return labelled if foreign > sum(word in other and word not in own for word in folded) else default


def _overlap(one: set[str], other: set[str]) -> float:
    """The overlap coefficient: what both hold of the smaller one."""
    return len(one & other) / max(1, min(len(one), len(other)))


def _translation_marks(text: str, language: Language) -> set[str]:
    """What a translation keeps: numbers, and how the longer words begin."""
    found: set[str] = set()
    for word in words(text):
        folded = fold(word)
        if any(char.isdigit() for char in folded):
            found.add(folded.replace(",", "."))
        elif len(folded) >= PREFIX_CHARS and folded not in STOP_WORDS[language]:
            found.add(folded[:PREFIX_CHARS])
    return found
