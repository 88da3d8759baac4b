"""Fuses what the legs found into one score in [0, 1]. Pure: numbers in, numbers out.

Dense and text are a convex sum whose weight follows the languages of question, passage and embedder.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Weights:
    """The share of the dense leg, by whether the embedder knows the question's and the passage's language.

    `crossed`: it knows only the passage's; `foreign`: only the question's. `graph` is how much the walk may
    move. `missing` times a leg's worst cosine stands for a passage that only the text leg found. `piece`
    and `section` are what further passages of a document keep of their score.
    """

    both: float = 0.5
    neither: float = 0.2
    crossed: float = 0.45
    foreign: float = 0.6
    multilingual: float = 0.8
    graph: float = 0.7
    missing: float = 0.8
    piece: float = 0.8
    section: float = 0.95
    cosine_low: float = 0.15
    cosine_high: float = 0.75


DEFAULT = Weights()


def share(question: str, passage: str, known: tuple[str, ...], weights: Weights = DEFAULT) -> float:
    """How much of the score is the dense leg's, in [0, 1]."""
    if question in known and passage in known:
        return weights.both if question == passage else weights.multilingual
    if question == passage:
        return weights.neither
    return weights.foreign if question in known else weights.crossed


def scaled(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores of one leg divided by the best: comparable with another leg's, whatever their units."""
    top = max((abs(score) for score in scores.values()), default=0.0)
    return {key: abs(score) / top if top else 0.0 for key, score in scores.items()}


def fuse(
    dense: Mapping[str, float],
    text: Mapping[str, float],
    shares: Mapping[str, float],
    weights: Weights = DEFAULT,
) -> dict[str, float]:
    """Convex sum of both legs for each candidate; `shares` holds the dense share of each."""
    near, worded = scaled(dense), scaled(text)
    found = dict.fromkeys([*near, *worded])
    far = weights.missing * min(near.values(), default=0.0)
    return {key: shares[key] * near.get(key, far) + (1 - shares[key]) * worded.get(key, 0.0) for key in found}


def blend(
    base: Mapping[str, float], graph: Mapping[str, float], weights: Weights = DEFAULT
) -> dict[str, float]:
    """Let the graph rescore: it lifts what is linked to the best passages; the rest keeps its order."""
    if not graph:
        return dict(base)
    part = weights.graph
    found = dict.fromkeys([*base, *graph])
    return {key: (1 - part) * base.get(key, 0.0) + part * graph.get(key, 0.0) for key in found}


def spread(
    scores: Mapping[str, float], sections: Mapping[str, tuple[str, str]], weights: Weights = DEFAULT
) -> dict[str, float]:
    """Lower what repeats: after a document's best passage, others of the same section and of other sections.

    `sections` holds document and heading of each passage. The pieces of one text say much the same, and a
    short list should not be one document."""
    held: dict[str, set[str]] = {}
    found: dict[str, float] = {}
    for key in sorted(scores, key=lambda key: (-scores[key], key)):
        document, heading = sections[key]
        seen = held.setdefault(document, set())
        part = weights.piece if heading in seen else weights.section if seen else 1.0
        seen.add(heading)
        found[key] = scores[key] * part
    return found


def confidence(cosine: float | None, covered: float, weights: Weights = DEFAULT) -> float:
    """In (0, 1]: the better of how near the nearest passage is and how many words of the question it holds.

    `cosine` is None without a dense leg; `covered` is a share of the question's stems.
    """
    span = weights.cosine_high - weights.cosine_low
    near = 0.0 if cosine is None else min(1.0, max(0.0, (cosine - weights.cosine_low) / span))
    return max(0.01, near, covered * 0.95)
