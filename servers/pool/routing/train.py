"""Fits the router's weights: `python -m servers.pool.routing.train tests/pool/prompts-tune.jsonl`.

Multinomial logistic regression with an L2 penalty; deterministic. The pool never imports it.
"""

import json
import random
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from servers.pool.routing.classifier import KINDS, WEIGHTS
from servers.pool.routing.features import GROUPS, LEXICON, Lexicon, lexicon, read

Signals = dict[str, float]
FORGOTTEN, READINGS = 0.35, 6
"""Each prompt is also read with a part of the topical words forgotten: unseen prompts use unknown words."""
TOPICAL = ("code", "artifact", "code_ask", *GROUPS["technical"], *GROUPS["reason"], *GROUPS["everyday"])
PENALTY = 0.005
STEPS = 500


def fit(
    examples: Sequence[Signals], kinds: Sequence[str], *, penalty: float = PENALTY
) -> dict[str, list[float]]:
    """Weights by signal, in the order of KINDS."""
    names = sorted({name for signals in examples for name in signals})
    x = np.array([[signals.get(name, 0.0) for name in names] for signals in examples])
    y = np.eye(len(KINDS))[[KINDS.index(kind) for kind in kinds]]
    rows = _descend(x, y, penalty)
    return {name: [round(float(value), 3) for value in row] for name, row in zip(names, rows, strict=True)}


def _descend(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """Adam on the penalised loss; the problem is convex, so where it starts does not matter."""
    w = np.zeros((x.shape[1], y.shape[1]))
    speed, noise = np.zeros_like(w), np.zeros_like(w)
    for step in range(1, STEPS + 1):
        z = x @ w
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        slope = x.T @ (p - y) / len(x) + penalty * w
        speed = 0.9 * speed + 0.1 * slope
        noise = 0.99 * noise + 0.01 * slope**2
        rate = 0.05 if step < STEPS * 0.6 else 0.015
        w -= rate * (speed / (1 - 0.9**step)) / (np.sqrt(noise / (1 - 0.99**step)) + 1e-8)
    return w


def forgetful(seed: int) -> Lexicon:
    """The lexicon without a random part of its topical words."""
    luck, lists = random.Random(seed), tomllib.loads(LEXICON.read_text(encoding="utf-8"))
    for name in TOPICAL:
        lists[name] = " ".join(word for word in lists[name].split() if luck.random() >= FORGOTTEN)
    return Lexicon(lists)


def main(file: str) -> None:
    """Read labelled prompts, fit, and write the weights beside this file."""
    rows = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    known = [lexicon(), *(forgetful(seed) for seed in range(READINGS))]
    examples = [read(row["text"], known=words).signals for words in known for row in rows]
    weights = fit(examples, [row["want"] for row in rows] * len(known))
    lines = (
        f"{json.dumps(name, ensure_ascii=False)}:{json.dumps(row, separators=(',', ':'))}"
        for name, row in weights.items()
    )
    WEIGHTS.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")
    print(f"{len(rows)} prompts, {len(weights)} weights, {WEIGHTS.stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:2])
