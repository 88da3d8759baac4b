"""The domain classifier: from a question's features to the probability of each domain. Pure.

Multinomial logistic regression: softmax over the weighted sums of the features. The weights are data:
`train.py` fits `weights.json`, and `tests/bench/routing.py` measures the accuracy.
"""

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

WEIGHTS = Path(__file__).with_name("weights.json")
DOMAINS: tuple[str, ...] = ("general", "technical", "coding", "expert")
"""The domains of the catalogue's models that a question can deserve; the order of each row of the weights."""


class Classification(NamedTuple):
    """`probabilities` of each domain sum to 1.

    `contributions`: what each feature added to each domain's logit, its weight taken against the mean of the
    four, so that a feature's contributions sum to 0.
    """

    probabilities: dict[str, float]
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
def load_weights() -> dict[str, tuple[float, ...]]:
    """For each feature its weight in every domain, in the order of DOMAINS; read once."""
    table: dict[str, list[float]] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return {name: tuple(row) for name, row in table.items()}


def classify(features: Mapping[str, float], prior: Mapping[str, float] | None = None) -> Classification:
    """Classify one question by its features; those without a weight are passed over.

    `prior` adds a number to each domain's logit: the log-probabilities that the conversation so far gives.
    """
    weights = load_weights()
    logits = dict.fromkeys(DOMAINS, 0.0)
    contributions: dict[str, dict[str, float]] = {}
    for name, value in features.items():
        row = weights.get(name)
        if row is None:
            continue
        mean = sum(row) / len(row)
        added = {domain: value * (weight - mean) for domain, weight in zip(DOMAINS, row, strict=True)}
        contributions[name] = added
        for domain in DOMAINS:
            logits[domain] += added[domain]
    if prior:
        contributions["conversation"] = {domain: prior[domain] for domain in DOMAINS}
        for domain in DOMAINS:
            logits[domain] += prior[domain]
    return Classification(_softmax(logits), contributions)


def _softmax(logits: Mapping[str, float]) -> dict[str, float]:
    top = max(logits.values())
    raised = {domain: math.exp(value - top) for domain, value in logits.items()}
    total = sum(raised.values())
    return {domain: value / total for domain, value in raised.items()}
