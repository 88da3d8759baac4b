"""Labelled prompts: `tune` fits the weights, `heldout` was written before the word lists, `blind` after them.

Only a first look is blind. Then the router had 84 % of blind's first hundred (52 % traps) and 78 % of the
next eighty (70 % traps), some 86 % at two traps in five; the lists have grown by what that showed.
"""

import json
from pathlib import Path
from typing import Any

from servers.pool.routing.classifier import KINDS, score
from servers.pool.routing.features import read

SPLITS = ("tune", "heldout", "blind")


def prompts(split: str) -> list[dict[str, Any]]:
    """Rows of `text, want, language` and, for traps, `trap`."""
    file = Path(__file__).with_name(f"prompts-{split}.jsonl")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def verdict(text: str) -> str:
    """The kind of model that one question alone deserves."""
    return score(read(text).signals).kind


def accuracy(rows: list[dict[str, Any]]) -> tuple[float, dict[str, float]]:
    """The share of right verdicts, in all and for each kind."""
    right = [verdict(row["text"]) == row["want"] for row in rows]
    by_kind = {
        kind: [ok for ok, row in zip(right, rows, strict=True) if row["want"] == kind] for kind in KINDS
    }
    return sum(right) / len(right), {kind: sum(oks) / len(oks) for kind, oks in by_kind.items()}
