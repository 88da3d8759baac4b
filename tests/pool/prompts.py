"""Labelled prompts by the definition of the classes: the cheapest member that would do it well.

`tune` and `written` fit the weights, `heldout` and `blind` do not. All were written in this house, so what is
right on them says little of strangers' prompts: `tests/bench/routing.py` measures those. What two honest
readers would label differently was left out.
"""

import json
from pathlib import Path
from typing import Any

from servers.pool.routing.classifier import DOMAINS, classify
from servers.pool.routing.features import extract_features
from servers.pool.routing.quality import deserved

SPLITS = ("tune", "heldout", "blind")
"""`written` came later, and in the style of others."""


def prompts(split: str) -> list[dict[str, Any]]:
    """Rows of `text, want, language` and, for traps, `trap`."""
    file = Path(__file__).with_name(f"prompts-{split}.jsonl")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def predict(text: str) -> str:
    """The domain that one question alone deserves."""
    found = classify(extract_features(text))
    return deserved(found.probabilities, found.difficulty)[0]


def accuracy(rows: list[dict[str, Any]]) -> tuple[float, dict[str, float]]:
    """The share of right predictions, in all and for each domain."""
    right = [predict(row["text"]) == row["want"] for row in rows]
    by_domain = {
        domain: [ok for ok, row in zip(right, rows, strict=True) if row["want"] == domain]
        for domain in DOMAINS
    }
    return sum(right) / len(right), {domain: sum(oks) / len(oks) for domain, oks in by_domain.items()}
