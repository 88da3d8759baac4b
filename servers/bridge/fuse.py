"""Fuses what the legs found into one score in [0, 1]. Pure: numbers in, numbers out.

Dense and text are a convex sum whose weight follows the languages of question, passage and embedder.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Weights:
    """The share of the dense leg, by whether the embedder knows the question's and the passage's language."""

    both: float = 0.5
    neither: float = 0.2
    crossed: float = 0.7
    multilingual: float = 0.8


DEFAULT = Weights()


def share(question: str, passage: str, known: tuple[str, ...], weights: Weights = DEFAULT) -> float:
    """How much of the score is the dense leg's, in [0, 1]."""
    if question in known and passage in known:
        return weights.both if question == passage else weights.multilingual
    if question == passage:
        return weights.neither
    return weights.crossed


def scaled(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores of one leg divided by the best: comparable with another leg's, whatever their units."""
    top = max((abs(score) for score in scores.values()), default=0.0)
    return {key: abs(score) / top if top else 0.0 for key, score in scores.items()}


def fuse(
    dense: Mapping[str, float], text: Mapping[str, float], shares: Mapping[str, float]
) -> dict[str, float]:
    """Convex sum of both legs for each candidate; `shares` holds the dense share of each."""
    near, worded = scaled(dense), scaled(text)
    found = dict.fromkeys([*near, *worded])
    return {key: shares[key] * near.get(key, 0.0) + (1 - shares[key]) * worded.get(key, 0.0) for key in found}
