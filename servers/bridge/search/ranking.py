"""Turns what the legs found into the hits of an answer: one score in [0, 1] each, best first. Pure."""

from collections.abc import Mapping

from servers.bridge.search.fusion import Weights, blend, confidence, spread
from servers.bridge.search.retrievers import Found, Question, base_scores
from servers.bridge.search.translations import at_home
from tools.schema import Hit
from tools.text.words import stems

SHOWN_FIELDS = ("heading", "language")


def hits(
    found: Found, asked: Question, known: tuple[str, ...], weights: Weights, *, most: int, explain: bool
) -> list[Hit]:
    """The best passages of all legs, best first, ties by id. `known`: the embedder's languages."""
    base = base_scores(found, asked, known, weights)
    scores = blend(base, found.scores.get("graph", {}), weights)
    sections = {key: (row["document_id"], row.get("heading", "")) for key, row in found.rows.items()}
    scores = spread({key: scores[key] for key in scores if key in found.rows}, sections, weights)
    scores = at_home(scores, found.rows, asked.language)
    best = sorted(scores, key=lambda key: (-scores[key], key))
    sure = _confidence(found, asked, best, weights)
    ranks = {leg: _ranks(values) for leg, values in found.scores.items()}
    return [_hit(key, found, min(1.0, scores[key] * sure), ranks, explain=explain) for key in best[:most]]


def _confidence(found: Found, asked: Question, best: list[str], weights: Weights) -> float:
    """How well the best passages answer at all: what makes a score mean the same for every question."""
    cosine = max(found.scores.get("dense", {}).values(), default=None)
    wanted = set(asked.stems)
    size = max(1, len(set(stems(asked.text, asked.language))))
    covered = 0.0
    for key in best[:3]:
        row = found.rows[key]
        held = set(stems(f"{row['title']} {row['text']}", "es" if row["language"] == "es" else "en"))
        covered = max(covered, min(1.0, len(wanted & held) / size))
    return confidence(cosine, covered, weights)


def _hit(
    key: str, found: Found, score: float, ranks: Mapping[str, Mapping[str, int]], *, explain: bool
) -> Hit:
    row = found.rows[key]
    legs: dict[str, dict] = {
        leg: {"rank": ranks[leg][key], "score": round(found.scores[leg][key], 6)}
        for leg in ranks
        if key in ranks[leg]
    }
    source, label = found.expansion.paths.get(key, ("", ""))
    if explain and "graph" in legs and source in found.rows:
        legs["graph"]["path"] = [found.rows[source]["title"], label, row["title"]]
        legs["graph"]["words"] = f"«{found.rows[source]['title']}» — {label} → «{row['title']}»"
    extra = {name: row[name] for name in SHOWN_FIELDS if row.get(name)}
    return Hit(
        id=key,
        document_id=row["document_id"],
        title=row["title"],
        source=row["source"],
        text=row["text"],
        score=score,
        legs=legs,
        metadata={**extra, **(row.get("metadata") or {})},
    )


def _ranks(scores: Mapping[str, float]) -> dict[str, int]:
    return {key: rank for rank, key in enumerate(sorted(scores, key=lambda key: (-scores[key], key)), 1)}
