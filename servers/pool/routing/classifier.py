"""From signals to how likely each kind of model is what a question deserves. Pure; the weights are data.

The weights were fitted by `route_train.py` and lie beside this file.
"""

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

WEIGHTS = Path(__file__).with_name("weights.json")
KINDS: tuple[str, ...] = ("general", "technical", "coding", "expert")
"""The domains of the catalogue's models that a question can deserve."""


class Verdict(NamedTuple):
    """`chances` of each kind sum to 1; `pulls` are what each signal did for each kind (against the mean)."""

    chances: dict[str, float]
    pulls: dict[str, dict[str, float]]

    @property
    def kind(self) -> str:
        return max(KINDS, key=self.chances.__getitem__)


@lru_cache(maxsize=1)
def weights() -> dict[str, tuple[float, ...]]:
    """For each signal its weight in every kind, in the order of KINDS."""
    table = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return {name: tuple(row) for name, row in table.items()}


def score(signals: Mapping[str, float], before: Mapping[str, float] | None = None) -> Verdict:
    """The verdict on one question. `before` adds the log-chances of the conversation so far."""
    table = weights()
    sums = dict.fromkeys(KINDS, 0.0)
    pulls: dict[str, dict[str, float]] = {}
    for name, value in signals.items():
        row = table.get(name)
        if row is None:
            continue
        mean = sum(row) / len(row)
        pull = {kind: value * (weight - mean) for kind, weight in zip(KINDS, row, strict=True)}
        pulls[name] = pull
        for kind in KINDS:
            sums[kind] += pull[kind]
    for kind in KINDS if before else ():
        assert before is not None
        pulls.setdefault("conversation", {})[kind] = before[kind]
        sums[kind] += before[kind]
    return Verdict(_softmax(sums), pulls)


def _softmax(sums: Mapping[str, float]) -> dict[str, float]:
    top = max(sums.values())
    raised = {kind: math.exp(value - top) for kind, value in sums.items()}
    total = sum(raised.values())
    return {kind: value / total for kind, value in raised.items()}
