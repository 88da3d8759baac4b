"""Fits the router's weights and writes their training card; deterministic. The pool never imports it.

    python -m servers.pool.routing.train LABELLED… [--outcomes FILE…] [--held-out FILE…]

LABELLED are JSON lines of prompts with the domain that each deserves: `text` and `want`, or `prompt` and
`expect` (a model of the built-in catalogue). Outcomes are JSON lines of prompts with who answered right:
`prompt, weak, strong`, or `question, options, answer, predictions`. A row whose text, folded, stands in a
held-out file is refused, and the run with it. Least squares (`sparse.py`) on one-hot targets; what turns
scores into probabilities is fitted on folds that the weights did not see.

The shipped weights saw `tune` and `written` of `tests/pool`, 117 prompts by strangers, and the development
halves of RouteLLM's and MMLU-Pro's outcomes (Apache-2.0). How they do on those very rows says little:
`tests/bench/routing.py` fits without the strangers, and on one half of the outcomes to measure the other.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from servers.pool.routing.classifier import DOMAINS, WEIGHTS, Weights, row
from servers.pool.routing.features import BUCKETS, FORMS, Features, extract_features
from servers.pool.routing.training.dataset import (
    Labelled,
    Outcome,
    read_labelled,
    read_outcomes,
    refuse_held_out,
)
from servers.pool.routing.training.measures import Doubles, brier, by_source, drawn_curve
from servers.pool.routing.training.noise import disturbed
from servers.pool.routing.training.sparse import Floats, Rows, fit_ridge
from tools.schema import JsonObject

FEWEST, UNKNOWN = 40, -2.0
"""Of fewer rows no difficulty is learnt; then its logit is this."""
ASSUMED = 0.3
"""How much a labelled prompt, whose outcome is assumed, counts beside a recorded one."""
SHAPE = 0.6
"""The length of the vector of shape features when each is one standard deviation off."""
DISTURBED = 0.3
"""Each labelled prompt is also read with slips of the pen and a polite wrapping, which counts so much."""
Sparse: TypeAlias = tuple[NDArray[np.int32], Floats]


class Answered(NamedTuple):
    """Rows of one form; for each the share of cheaper models that failed, what the strongest gained, how much
    it counts, the logarithm of how many options it has, plus one, and whether its outcome is recorded."""

    rows: Sequence[Sparse]
    failed: Floats
    gained: Floats
    counts: Floats
    crowds: Floats
    recorded: NDArray[np.bool_]


class Ridge(NamedTuple):
    """How a ridge is fitted (`sparse.fit_ridge`), and on how many folds it is judged."""

    penalty: float
    steps: int
    folds: int


KIND = Ridge(2e-4, 50, 4)
DIFFICULTY = (Ridge(2e-3, 25, 2), Ridge(0.1, 25, 4), KIND)
"""The penalties were tried on halves of the development outcomes."""


class Measured(NamedTuple):
    """What was reached on folds that were not fitted: the share of prompts `right`, with each form's Brier
    score; of the forms with recorded outcomes the area under the curve and its points; and of each set of
    outcomes the area and the calibration error of `difficulty`."""

    right: dict[str, float]
    curves: dict[str, JsonObject]
    sources: dict[str, JsonObject]


class Difficulty(NamedTuple):
    """One form's weights, its `platt` curve (slope, crowd, offset), and the `chance` of each row by weights
    and a curve that were fitted on other folds."""

    weights: Floats
    platt: Doubles
    chance: Doubles


def main() -> None:
    """Read, fit, write `weights.npz` and `weights.json` beside this file."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("labelled", nargs="+", type=Path)
    arguments.add_argument("--outcomes", nargs="*", type=Path, default=[])
    arguments.add_argument("--held-out", nargs="*", type=Path, default=[])
    given = arguments.parse_args()
    prompts = [item for file in given.labelled for item in read_labelled(file)]
    outcomes = [item for file in given.outcomes for item in read_outcomes(file)]
    refuse_held_out([*prompts, *outcomes], given.held_out)
    weights, measured = fit(prompts, outcomes)
    write(weights)
    card = {
        "method": "least squares over hashed words, pairs and pieces of words, and the shape's features",
        "labelled": {file.name: _told(file, read_labelled(file)) for file in given.labelled},
        "outcomes": {file.name: _told(file, read_outcomes(file)) for file in given.outcomes},
        "weights": sha256(WEIGHTS.read_bytes()).hexdigest(),
        "domains": Counter(item.want for item in prompts),
        "held out, none of it seen": [file.name for file in given.held_out],
        "on folds that were not fitted": measured.right,
        "difficulty on folds that were not fitted": measured.sources,
        "curves on folds that were not fitted": measured.curves,
    }
    WEIGHTS.with_suffix(".json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(json.dumps(card, ensure_ascii=False))


def _told(file: Path, rows: Sequence[object]) -> JsonObject:
    return {"rows": len(rows), "sha256": sha256(file.read_bytes()).hexdigest()}


def fit(prompts: Sequence[Labelled], outcomes: Sequence[Outcome]) -> tuple[Weights, Measured]:
    """The weights, and what they reach on folds that were not fitted."""
    clean = [extract_features(item.text) for item in prompts]
    answered = [extract_features(item.text) for item in outcomes]
    scaling = scaling_of([*clean, *answered])
    kind, sharpness, right = fit_kind(clean, prompts, scaling)
    weights, measured = fit_difficulty([*clean, *answered], prompts, outcomes, scaling)
    weights = weights._replace(kind=kind, sharpness=sharpness)
    return weights, measured._replace(right={"prompts right": right, **measured.right})


def fit_difficulty(
    known: Sequence[Features], prompts: Sequence[Labelled], outcomes: Sequence[Outcome], scaling: Weights
) -> tuple[Weights, Measured]:
    """`scaling` with the numbers of difficulty; `known` are the features of prompts, then of outcomes."""
    # A prompt that deserves the expert is by definition one where a cheaper model would likely fail.
    expert = np.array([item.want == "expert" for item in prompts], np.float32)
    failed = np.concatenate([expert, np.array([item.failed for item in outcomes], np.float32)])
    gained = np.concatenate([expert, np.array([item.gained for item in outcomes], np.float32)])
    recorded = np.repeat([False, True], [len(prompts), len(outcomes)])
    counts = np.where(recorded, 1.0, ASSUMED if outcomes else 1.0).astype(np.float32)
    crowds = np.array([item.shape.get("choices", 0.0) for item in known], np.float32)
    rows, form = _rows(known, scaling), np.array([item.form for item in known])
    found: list[Difficulty] = []
    chance, errors = np.zeros(len(rows)), dict[str, float]()
    curves: dict[str, JsonObject] = {}
    for number, (name, how) in enumerate(zip(FORMS, DIFFICULTY, strict=True)):
        at = np.flatnonzero(form == number)
        some = [rows[int(place)] for place in at]
        answered = Answered(some, failed[at], gained[at], counts[at], crowds[at], recorded[at])
        found.append(_fit_form(answered, BUCKETS + len(scaling.names) + 1, how))
        chance[at] = found[-1].chance
        errors[f"difficulty of {name}, Brier score"] = brier(chance[at], failed[at], counts[at])
        seen = at[recorded[at]]
        drawn = drawn_curve(chance[seen], failed[seen], gained[seen]) if len(seen) >= FEWEST else None
        curves |= {name: drawn} if drawn else {}
    slope, crowd, offset = np.stack([item.platt for item in found], axis=1).astype(np.float32)
    hard = np.stack([item.weights for item in found], axis=1)
    weights = scaling._replace(difficulty=hard, slope=slope, crowd=crowd, offset=offset)
    return weights, Measured(errors, curves, by_source(outcomes, chance[len(prompts) :].tolist()))


def fit_kind(
    clean: Sequence[Features], prompts: Sequence[Labelled], scaling: Weights
) -> tuple[Floats, float, float]:
    """The weights of kind, their sharpness and the share right on unseen folds; each prompt, whose features
    `clean` are, is also read disturbed."""
    noisy = [extract_features(disturbed(item.text, seed)) for seed, item in enumerate(prompts)]
    kinds = np.array([DOMAINS.index(item.want) for item in prompts])
    count = len(kinds)
    counts = np.repeat([1.0, DISTURBED], count).astype(np.float32)
    targets = np.tile(np.eye(len(DOMAINS), dtype=np.float32)[kinds] - 1 / len(DOMAINS), (2, 1))
    rows = _rows([*clean, *noisy], scaling)
    part = np.tile(_parts(count, KIND.folds), 2)
    weights, scores = _folded(rows, targets, counts, part, KIND)
    right = (scores[:count].argmax(axis=1) == kinds).mean()
    return weights, _sharpness(scores[:count], kinds), round(float(right), 3)


def _fit_form(known: Answered, width: int, how: Ridge) -> Difficulty:
    """The weights and the curve of rows of one form.

    The score is fitted to what the strongest model gains, which orders calls best; the curve from score to
    probability to what the cheaper ones fail, on recorded outcomes alone where they are the most.
    """
    rows, failed, gained, counts, crowds, recorded = known
    if len(rows) < FEWEST:
        unknown = np.full(len(rows), 1 / (1 + np.exp(-UNKNOWN)))
        return Difficulty(np.zeros(width, np.float32), np.array([0.0, 0.0, UNKNOWN]), unknown)
    level = float((gained * counts).sum() / counts.sum())
    part = _parts(len(rows), how.folds)
    weights, scores = _folded(rows, (gained - level)[:, None], counts, part, how)
    seen = np.stack([scores[:, 0], crowds, np.ones_like(crowds)], axis=1).astype(np.float64)
    judged = recorded if recorded.sum() > len(rows) / 2 else np.ones_like(recorded)
    chance = np.zeros(len(rows))
    for number in range(how.folds):
        others = judged & (part != number)
        platt = _platt(seen[others], failed[others], counts[others])
        chance[part == number] = 1 / (1 + np.exp(-seen[part == number] @ platt))
    return Difficulty(weights[:, 0], _platt(seen[judged], failed[judged], counts[judged]), chance)


def write(weights: Weights) -> None:
    """Write the weights, each column's as eight bits and a scale."""
    kind_scale = np.abs(weights.kind).max(axis=0) / 127
    scale = np.abs(weights.difficulty).max(axis=0) / 127
    rounded = {
        "kind": np.rint(weights.kind / kind_scale).astype(np.int8),
        "difficulty": np.rint(weights.difficulty / scale).astype(np.int8),
    }
    scales = {"kind_scale": kind_scale.astype(np.float32), "difficulty_scale": scale.astype(np.float32)}
    rest = {
        name: getattr(weights, name)
        for name in ("mean", "deviation", "share", "sharpness", "slope", "crowd", "offset")
    }
    np.savez_compressed(WEIGHTS, names=np.array(weights.names), **rounded, **scales, **rest)


def scaling_of(known: Sequence[Features]) -> Weights:
    """Weights that are nothing yet, with the mean and deviation of each shape feature."""
    names = tuple(sorted({name for features in known for name in features.shape}))
    shape = np.array([[item.shape.get(name, 0.0) for name in names] for item in known], np.float32)
    none = np.zeros(0, np.float32)
    share = SHAPE / float(np.sqrt(len(names)))
    return Weights(none, none, names, shape.mean(0), shape.std(0) + 1e-3, share, 1.0, none, none, none)


def _rows(known: Sequence[Features], scaling: Weights) -> list[Sparse]:
    return [row(features, scaling) for features in known]


def _parts(count: int, folds: int) -> NDArray[np.int64]:
    """The fold of each of `count` items."""
    return np.random.default_rng(0).integers(0, folds, count)


def _folded(
    rows: Sequence[Sparse], targets: Floats, counts: Floats, part: NDArray[np.int64], how: Ridge
) -> tuple[Floats, Floats]:
    """Weights fitted on all rows, and each row's scores by weights that saw nothing of its `part`."""
    width = int(rows[0][0][-1]) + 1
    scores = np.zeros_like(targets)
    for number in range(how.folds):
        inside, outside = np.flatnonzero(part != number), np.flatnonzero(part == number)
        known = Rows([rows[int(place)] for place in inside], width)
        found = fit_ridge(known, targets[inside], counts[inside], penalty=how.penalty, steps=how.steps)
        scores[outside] = Rows([rows[int(place)] for place in outside], width).times(found)
    return fit_ridge(Rows(rows, width), targets, counts, penalty=how.penalty, steps=how.steps), scores


def _sharpness(scores: Floats, kinds: NDArray[np.intp]) -> float:
    """The factor that makes the softmax of `scores` most probable (Guo et al. 2017, "On Calibration of
    Modern Neural Networks")."""

    def surprise(factor: float) -> float:
        logits = factor * scores
        logits = logits - logits.max(axis=1, keepdims=True)
        chance = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return -float(np.log(chance[np.arange(len(kinds)), kinds] + 1e-12).mean())

    return min((float(factor) for factor in np.arange(1.0, 15.0, 0.1)), key=surprise)


def _platt(seen: Doubles, failed: Floats, counts: Floats) -> Doubles:
    """Coefficients of the logistic curve from `seen` (rows, 3) to what happened, by Newton's method."""
    found = np.zeros(seen.shape[1])
    for _ in range(25):
        chance = 1 / (1 + np.exp(-seen @ found))
        gradient = seen.T @ (counts * (chance - failed))
        curvature = (seen * (counts * chance * (1 - chance))[:, None]).T @ seen + 1e-6 * np.eye(len(found))
        found -= np.linalg.solve(curvature, gradient)
    return found


if __name__ == "__main__":
    main()
