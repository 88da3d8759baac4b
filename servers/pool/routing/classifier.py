"""The router's two models: which kind of question it is, and how likely a cheaper model fails. Pure.

Both are linear over the same features (`features.py`); the weights are data (`weights.npz`, eight bits each),
`weights.json` is their training card, `train.py` fits them and `tests/bench/routing.py` measures them.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from servers.pool.routing.features import BUCKETS, Features

Floats: TypeAlias = NDArray[np.float32]

WEIGHTS = Path(__file__).with_name("weights.npz")
DOMAINS: tuple[str, ...] = ("general", "technical", "coding", "expert")
"""The domains of the catalogue's models that a question can deserve; the order of each row of the weights."""
CLIPPED = 4.0
"""A shape feature counts at most so many standard deviations."""


class Weights(NamedTuple):
    """`kind` (columns, domains) and `difficulty` (columns, FORMS), columns being the buckets, then the
    shape's features, then a constant.

    `names`, `mean` and `deviation` are the shape's features; `share` what each standard deviation counts.
    Scores become logits by `sharpness` (kind), and by `slope`, `offset` and `crowd` (difficulty; `crowd` is
    for the logarithm of how many options there are, plus one). After Platt 1999, "Probabilistic Outputs for
    Support Vector Machines".
    """

    kind: Floats
    difficulty: Floats
    names: tuple[str, ...]
    mean: Floats
    deviation: Floats
    share: float
    sharpness: float
    slope: Floats
    crowd: Floats
    offset: Floats


class Classification(NamedTuple):
    """`probabilities` of each domain sum to 1; `difficulty` is the probability, in [0, 1], that a cheaper
    model than the expert fails.

    `contributions`: what each feature (by its name) and each word (`«word»`) added to each domain's logit,
    taken against the mean of the four, so that a feature's contributions sum to 0.
    """

    probabilities: dict[str, float]
    difficulty: float
    contributions: dict[str, dict[str, float]]

    @property
    def domain(self) -> str:
        """The most probable domain; of equals the first in DOMAINS."""
        return max(DOMAINS, key=self.probabilities.__getitem__)

    @property
    def confidence(self) -> float:
        """The probability of that domain, in [0, 1]."""
        return self.probabilities[self.domain]


@lru_cache(maxsize=1)
def load_weights() -> Weights:
    """The weights, read once."""
    with np.load(WEIGHTS, allow_pickle=False) as data:
        return Weights(
            kind=data["kind"].astype(np.float32) * data["kind_scale"],
            difficulty=data["difficulty"].astype(np.float32) * data["difficulty_scale"],
            names=tuple(str(name) for name in data["names"]),
            mean=data["mean"],
            deviation=data["deviation"],
            share=float(data["share"]),
            sharpness=float(data["sharpness"]),
            slope=data["slope"],
            crowd=data["crowd"],
            offset=data["offset"],
        )


def classify(
    features: Features,
    prior: Mapping[str, float] | None = None,
    *,
    own: float = 1.0,
    weights: Weights | None = None,
) -> Classification:
    """Classify one question by its features, with the shipped weights unless others are given.

    `prior` adds a number to each domain's logit: what the conversation so far says; `own` is then how much
    the question's own features count.
    """
    weights = weights or load_weights()
    columns, values = row(features, weights)
    added = weights.kind[columns] * values[:, None] * (weights.sharpness * own)
    added -= added.mean(axis=1, keepdims=True)
    contributions = _named(features, weights, added)
    logits = {domain: float(value) for domain, value in zip(DOMAINS, added.sum(axis=0), strict=True)}
    if prior:
        contributions["conversation"] = {domain: prior[domain] for domain in DOMAINS}
        logits = {domain: value + prior[domain] for domain, value in logits.items()}
    return Classification(_softmax(logits), failure_chance(features, weights), contributions)


def failure_chance(features: Features, weights: Weights) -> float:
    """The probability that a cheaper model than the expert fails."""
    columns, values = row(features, weights)
    form = features.form
    score = float(values @ weights.difficulty[columns, form])
    logit = float(weights.slope[form]) * score + float(weights.offset[form])
    logit += float(weights.crowd[form]) * features.shape.get("choices", 0.0)
    return 1 / (1 + math.exp(-logit))


def row(features: Features, weights: Weights) -> tuple[NDArray[np.int32], Floats]:
    """The columns of one question and their values; a column may come more than once."""
    shape = np.array([features.shape.get(name, 0.0) for name in weights.names], np.float32)
    shape = np.clip((shape - weights.mean) / weights.deviation, -CLIPPED, CLIPPED) * weights.share
    last = BUCKETS + len(shape)
    columns = np.array([piece.bucket for piece in features.pieces] + list(range(BUCKETS, last + 1)), np.int32)
    values = np.array([piece.value for piece in features.pieces], np.float32)
    return columns, np.concatenate([values, shape, [np.float32(1)]], dtype=np.float32)


def _named(features: Features, weights: Weights, added: Floats) -> dict[str, dict[str, float]]:
    """The rows of `added` by what they stand for: a word's n-grams summed up, a shape feature's own."""
    words = np.zeros((len(features.tokens) + 1, len(DOMAINS)), np.float32)
    np.add.at(words, [piece.token for piece in features.pieces], added[: len(features.pieces)])
    named: dict[str, Floats] = {}
    for token, sums in zip(features.tokens, words, strict=False):
        key = f"«{token}»"
        named[key] = named[key] + sums if key in named else sums
    shape = added[len(features.pieces) : -1]
    named |= {name: sums for name, sums in zip(weights.names, shape, strict=True) if name in features.shape}
    return {name: dict(zip(DOMAINS, map(float, sums), strict=True)) for name, sums in named.items()}


def _softmax(logits: Mapping[str, float]) -> dict[str, float]:
    top = max(logits.values())
    raised = {domain: math.exp(value - top) for domain, value in logits.items()}
    total = sum(raised.values())
    return {domain: value / total for domain, value in raised.items()}
