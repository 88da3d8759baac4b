"""Ranks the candidates of a search into hits: one score in [0, 1] each, best first. Pure.

Of a passage and its translation, the one in the query's language goes first. Reordering by a model is
`rerank`'s.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from servers.bridge.graph.expansion import Step
from servers.bridge.search.candidates import Candidates, PassageRow, labelled, leaning
from servers.bridge.search.fusion import (
    FusionWeights,
    confidence,
    cosines,
    diversify,
    fuse,
    rescore,
)
from servers.bridge.search.query import Query
from servers.bridge.text.blocks import Span, sentences
from servers.bridge.text.cross_lingual import meanings, shared_meanings
from tools.schema import Hit, Language
from tools.text.words import stems

CONFIDENT_DEPTH = 3
"""How many of the best passages may hold the query's words: an answer quotes about as many. Chosen, not
measured."""
TRANSLATION_DEPTH = 8
"""More than the five hits of a usual answer: a translation just below them is still exchanged."""
TRANSLATION_LIKENESS = 0.28
"""How much of the words of a passage is its translation's too, by glossary and cognates. Of the parallel
paragraphs of XQuAD (en, es), on which it was chosen, 97 % share more and 2 % of the most similar other ones
do; of halves of one and all of the other 93 to 95 %, and 5 to 8 %; of the sections of our own documents all,
and 2 % of any other two. The most alike is the translation in at least 98 % of these."""


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
    said = {key: meanings(rows[key]["text"], languages[key]) for key in best}
    own = [key for key in best if languages[key] == language]
    for position, foreign in enumerate(best):
        if languages[foreign] == language:
            continue
        alike = {key: shared_meanings(said[foreign], said[key]) for key in best[position:] if key in own}
        translation = max(alike, key=lambda key: alike[key], default=foreign)
        if alike.get(translation, 0.0) > TRANSLATION_LIKENESS:
            found[foreign], found[translation] = found[translation], found[foreign]
            own.remove(translation)
    return found


def _confidence(candidates: Candidates, query: Query, best: Sequence[str], weights: FusionWeights) -> float:
    """How well the best passages answer at all: what makes a score mean the same for every query."""
    cosine = max((cosines(candidates, query, weights) or {}).values(), default=None)
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
    step = candidates.expansion.paths.get(key)
    if explain and step and "graph" in legs and step.source in candidates.rows:
        legs["graph"] |= _path(step, candidates.rows[step.source], row)
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


def _path(step: Step, source: PassageRow, row: PassageRow) -> dict[str, Any]:
    """How the graph led from `source` to `row`: titles and the name between, the edge, and the sentence that
    says the name (empty where the graph was told so by a model)."""
    said = row if step.edge == "mentioned by" else source
    return {
        "path": [source["title"], step.name, row["title"]],
        "edge": step.edge,
        "sentence": _sentence(said["text"], labelled(said), step.name),
        "words": f"«{source['title']}» — {step.name} → «{row['title']}»",
    }


def _sentence(text: str, language: Language, name: str) -> str:
    """The first sentence of a text that says a name (stems, or a thing's name)."""
    wanted = {f" {name} ", f" {' '.join(stems(name, language))} "}
    for span in sentences(text, Span(0, len(text))):
        sentence = text[span.start : span.end].strip()
        said = f" {' '.join(stems(sentence, language))} "
        if any(run in said for run in wanted):
            return sentence
    return ""


def _best_first(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda key: (-scores[key], key))


def _ranks(scores: Mapping[str, float]) -> dict[str, int]:
    return {key: number for number, key in enumerate(_best_first(scores), 1)}


def _language(row: PassageRow, default: Language) -> Language:
    """A passage's language; another than `default` only where its little words say so too: passages of one
    language share enough to be taken for translations, and a label may be wrong."""
    own = labelled(row)
    return own if own != default and leaning(row["text"], own, default) > 0 else default
