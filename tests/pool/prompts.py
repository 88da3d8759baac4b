"""Labelled prompts: `tune` fits the weights, `heldout` was written before the word lists, `blind` after them.

Only a first look is blind. Then the router had 84 % of blind's first hundred (52 % traps) and 78 % of the
next eighty (70 % traps), some 86 % at two traps in five; the lists have grown by what that showed.
"""

import json
from pathlib import Path
from typing import Any

from servers.pool.routing.classifier import DOMAINS, classify
from servers.pool.routing.features import extract_features

SPLITS = ("tune", "heldout", "blind")


def prompts(split: str) -> list[dict[str, Any]]:
    """Rows of `text, want, language` and, for traps, `trap`."""
    file = Path(__file__).with_name(f"prompts-{split}.jsonl")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def predict(text: str) -> str:
    """The domain that one question alone deserves."""
    return classify(extract_features(text).values).domain


def accuracy(rows: list[dict[str, Any]]) -> tuple[float, dict[str, float]]:
    """The share of right predictions, in all and for each domain."""
    right = [predict(row["text"]) == row["want"] for row in rows]
    by_domain = {
        domain: [ok for ok, row in zip(right, rows, strict=True) if row["want"] == domain]
        for domain in DOMAINS
    }
    return sum(right) / len(right), {domain: sum(oks) / len(oks) for domain, oks in by_domain.items()}
