"""Fits the router's weights: `python -m servers.pool.routing.train tests/pool/prompts-tune.jsonl`.

Multinomial logistic regression with an L2 penalty; deterministic. The pool never imports it.
"""

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from servers.pool.routing.classifier import DOMAINS, WEIGHTS
from servers.pool.routing.features import GROUPS, extract_features
from servers.pool.routing.lexicon import Lexicon, load_lexicon, read_lists

Floats: TypeAlias = NDArray[np.float64]

WORD_DROPOUT, DROPOUT_COPIES = 0.35, 6
"""Each prompt is also read with a part of the topical words dropped (word dropout): unseen prompts use words
that the lexicon does not know. After Iyyer et al. 2015, "Deep Unordered Composition"."""
TOPICAL_LISTS = ("code", "artifact", "code_ask", *GROUPS["technical"], *GROUPS["reason"], *GROUPS["everyday"])
L2_PENALTY = 0.005
STEPS = 500
BETA1, BETA2, EPSILON = 0.9, 0.99, 1e-8


class LabelledPrompt(TypedDict):
    """A line of the training file: a prompt and the domain that it deserves."""

    text: str
    want: str


def fit(
    examples: Sequence[dict[str, float]], domains: Sequence[str], *, penalty: float = L2_PENALTY
) -> dict[str, list[float]]:
    """Weights by feature, in the order of DOMAINS, rounded to three digits.

    `examples` are the features of one prompt each, `domains` their labels.
    """
    names = sorted({name for features in examples for name in features})
    x = np.array([[features.get(name, 0.0) for name in names] for features in examples])
    y = np.eye(len(DOMAINS))[[DOMAINS.index(domain) for domain in domains]]
    rows = _descend(x, y, penalty)
    return {name: [round(float(value), 3) for value in row] for name, row in zip(names, rows, strict=True)}


def _descend(x: Floats, y: Floats, penalty: float) -> Floats:
    """Weights (features, domains) that minimise the penalised cross-entropy of `x` (prompts, features).

    Adam (Kingma and Ba 2015), with a smaller step for the last two fifths. The problem is convex, so where it
    starts does not matter.
    """
    w = np.zeros((x.shape[1], y.shape[1]))
    mean, variance = np.zeros_like(w), np.zeros_like(w)
    for step in range(1, STEPS + 1):
        z = x @ w
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        gradient = x.T @ (p - y) / len(x) + penalty * w
        mean = BETA1 * mean + (1 - BETA1) * gradient
        variance = BETA2 * variance + (1 - BETA2) * gradient**2
        rate = 0.05 if step < STEPS * 0.6 else 0.015
        w -= rate * (mean / (1 - BETA1**step)) / (np.sqrt(variance / (1 - BETA2**step)) + EPSILON)
    return w


def with_dropout(seed: int) -> Lexicon:
    """The lexicon without a random part of its topical words."""
    source, lists = random.Random(seed), read_lists()
    for name in TOPICAL_LISTS:
        lists[name] = " ".join(word for word in lists[name].split() if source.random() >= WORD_DROPOUT)
    return Lexicon(lists)


def main(file: str) -> None:
    """Read labelled prompts (JSON lines), fit, and write the weights beside this file."""
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    prompts: list[LabelledPrompt] = [json.loads(line) for line in lines]
    lexicons = [load_lexicon(), *(with_dropout(seed) for seed in range(DROPOUT_COPIES))]
    examples = [
        extract_features(prompt["text"], lexicon=lexicon).values for lexicon in lexicons for prompt in prompts
    ]
    weights = fit(examples, [prompt["want"] for prompt in prompts] * len(lexicons))
    rows = (
        f"{json.dumps(name, ensure_ascii=False)}:{json.dumps(row, separators=(',', ':'))}"
        for name, row in weights.items()
    )
    WEIGHTS.write_text("{" + ",\n".join(rows) + "}\n", encoding="utf-8")
    print(f"{len(prompts)} prompts, {len(weights)} weights, {WEIGHTS.stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:2])
