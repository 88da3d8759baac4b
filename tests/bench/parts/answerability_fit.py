"""Fits `agents/answerability/weights.json`:

    python -m tests.bench.parts.answerability_fit --data FOLDER --cache FOLDER [--step N] [--held-out FILE]

Logistic regression with an L2 penalty by Newton's method, deterministic. Each question of XQuAD (es, en, and
Spanish over English) is read three times: with its passage, without it, and without its article. Questions of
every second article are learnt from; `tests.bench.answers` reports over the others.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from agents.answerability.decision import WEIGHTS
from agents.answerability.signals import gather_evidence
from tests.bench.parts.candidates import Asked, Condition, found_candidates, found_under, in_first_half
from tools.schema import Language
from tools.text.words import folded_words

Floats: TypeAlias = NDArray[np.float64]
Signals: TypeAlias = Mapping[str, float]
LANGUAGES: dict[str, Language] = {"xquad-es": "es", "xquad-en": "en", "xquad-es2en": "es"}
COSINES = frozenset({"dense", "dense_over_fifth", "dense_over_mean", "agree"})
CONDITIONS: tuple[Condition, ...] = ("present", "passage", "article")
ANSWERABLE_WEIGHT = 2.0
"""An answerable question counts as much as the two that were made of it by leaving out."""
PENALTY, STEPS = 0.003, 50


def examples(asked: Sequence[Asked], language: Language) -> Iterator[tuple[Signals, bool]]:
    for one in asked:
        for condition in CONDITIONS:
            hits = found_under(one, condition)
            yield gather_evidence(one.text, hits, language=language).signals, condition == "present"


def fit(rows: Sequence[tuple[Signals, bool]], names: Sequence[str]) -> dict[str, float]:
    """Weights by signal, and the `bias`."""
    x = np.array([[*(signals.get(name, 0.0) for name in names), 1.0] for signals, _ in rows])
    y = np.array([float(answerable) for _, answerable in rows])
    weights = np.where(y == 1, ANSWERABLE_WEIGHT, 1.0)
    found = _newton(x, y, weights)
    return {name: round(float(value), 3) for name, value in zip([*names, "bias"], found, strict=True)}


def _newton(x: Floats, y: Floats, weights: Floats) -> Floats:
    found = np.zeros(x.shape[1])
    penalty = np.eye(len(found)) * PENALTY * weights.sum()
    penalty[-1, -1] = 0
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-x @ found))
        gradient = x.T @ (weights * (p - y)) + penalty @ found
        hessian = (x * (weights * p * (1 - p))[:, None]).T @ x + penalty
        found -= np.linalg.solve(hessian, gradient)
    return found


def held_out_texts(file: Path | None) -> frozenset[str]:
    """Normalised texts of a JSON lines file (`text`, `question` or `query`), which nothing may learn from."""
    if file is None:
        return frozenset()
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]
    return frozenset(
        normalised(row[key]) for row in rows for key in ("text", "question", "query") if key in row
    )


def normalised(text: str) -> str:
    return " ".join(folded_words(text))


def main(data: Path, cache: Path, step: int, held_out: Path | None) -> None:
    refused, rows, used = held_out_texts(held_out), list[tuple[Signals, bool]](), dict[str, int]()
    for name, asked in found_candidates(data, list(LANGUAGES), cache).items():
        learnt = [one for one in asked[::step] if in_first_half(one)]
        kept = [one for one in learnt if normalised(one.text) not in refused]
        used[name] = len(kept)
        rows += examples(kept, LANGUAGES[name])
        print(f"{name}: {len(kept)} questions, {len(learnt) - len(kept)} refused as held out", flush=True)
    names = sorted({name for signals, _ in rows for name in signals})
    means = {name: round(float(np.mean([row.get(name, 0.0) for row, _ in rows])), 3) for name in names}
    found = {
        "card": {
            "learnt_from": used,
            "of": "XQuAD (google-deepmind, CC BY-SA 4.0), every second article, three readings a question",
            "held_out": held_out.name if held_out else "no file was given",
        },
        "scores": fit(rows, names),
        "words": fit(rows, [name for name in names if name not in COSINES]),
        "means": means,
    }
    WEIGHTS.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--held-out", type=Path)
    given = parser.parse_args()
    main(given.data, given.cache, given.step, given.held_out)
