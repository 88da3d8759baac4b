"""The router on strangers' prompts and recorded outcomes, beside what is simpler.

`python -m tests.bench.routing [--data DIR] [--no-embedder]`. Without DIR only the labelled prompts of the
house are measured (`heldout` and `blind`, of which nothing was fitted). In its folder `routing` are
`strangers-dev.jsonl` (prompts by others with the model that they expect) and `outcomes-dev.jsonl` (prompts,
who was right), beside it `recorded-answers`; the shipped weights were fitted on all of them, so the router is
fitted again without the strangers and on each half of the outcomes, and measured on what that fit did not
see. Accuracy travels between machines, microseconds do not.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from servers.pool.catalog.catalog import Catalog, load_catalog
from servers.pool.routing.choose import choose
from servers.pool.routing.classifier import DOMAINS, Weights, classify
from servers.pool.routing.features import extract_features
from servers.pool.routing.policy import PoolState
from servers.pool.routing.quality import apgr, calibration_error, curve
from servers.pool.routing.training.dataset import Outcome
from tests.bench.parts.routers import (
    Builder,
    Predictor,
    Refit,
    builders,
    cost,
    decide,
    fit_without_strangers,
    refits,
)
from tests.pool.disturbances import DISTURBANCES
from tests.pool.prompts import prompts

Row = dict[str, Any]
DRAWS = 5


def main() -> None:
    """Print accuracy, calibration, robustness, the outcomes' curve and the latency."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--no-embedder", action="store_true")
    given = arguments.parse_args()
    folder = given.data / "routing" if given.data else None
    splits = {split: prompts(split) for split in ("heldout", "blind")}
    if folder:
        splits["strangers"] = strangers(folder / "strangers-dev.jsonl")
    train = [row for split in ("tune", "written") for row in prompts(split)]
    routers: dict[str, Builder] = {
        **builders(train, embedder=not given.no_embedder),
        "router": lambda: router,
    }
    sample = splits["blind"][::3]
    print("(all · es · en, per cent right; CPU ms of half the decisions at most; MB in a process of its own)")
    print(f"{'':18}" + "".join(f"{name:>24}" for name in splits) + f"{'ms':>9}{'MB':>7}")
    # In children, before this process has loaded anything.
    costs = {name: cost(build, sample) for name, build in routers.items()}
    for name, build in routers.items():
        predict = build()
        right = "".join(f"{shares(rows, predict(rows)):>24}" for rows in splits.values())
        print(f"{name:18}{right}{costs[name].p50_ms:>9.2f}{costs[name].memory_mb:>7.1f}", flush=True)
    if folder:
        print("(the shipped weights were fitted on the strangers' prompts: of `router` look below)")
    for name, rows in splits.items():
        if name != "strangers":
            confusion(name, rows, router(rows))
            robustness(rows, router)
    if given.data:
        without_strangers(splits["strangers"], fit_without_strangers(given.data))
        outcomes(list(refits(given.data)))
    latency([row["text"] for rows in splits.values() for row in rows])


def router(rows: Sequence[Row]) -> list[str]:
    """The whole decision, as the pool takes it."""
    catalog, state = _everything_loaded()
    wanted = [choose([{"role": "user", "content": row["text"]}], catalog, state).wanted for row in rows]
    return [catalog.models[name].domain for name in wanted]


@lru_cache(maxsize=1)
def _everything_loaded() -> tuple[Catalog, PoolState]:
    catalog = load_catalog()
    return catalog, PoolState(frozenset(catalog.ids), frozenset(catalog.ids))


def strangers(file: Path) -> list[Row]:
    """Prompts by others, in the form of ours; `accept` are all domains that are right."""
    models = load_catalog().models
    return [
        {
            "text": line["prompt"],
            "want": models[line["expect"]].domain,
            "accept": [models[name].domain for name in line["accept"] or [line["expect"]]],
            "language": line["lang"],
        }
        for line in _lines(file)
    ]


def shares(rows: Sequence[Row], found: Sequence[str]) -> str:
    """Right in all, in Spanish and in English."""
    right = [
        (row["language"], domain in row.get("accept", [row["want"]]))
        for row, domain in zip(rows, found, strict=True)
    ]
    parts = [[ok for language, ok in right if only in ("", language)] for only in ("", "es", "en")]
    return " · ".join(f"{sum(part) / len(part) * 100:.1f}" for part in parts)


def confusion(name: str, rows: Sequence[Row], found: Sequence[str]) -> None:
    """Print the confusion matrix of one split, and the calibration error of its confidence."""
    counts = Counter((row["want"], domain) for row, domain in zip(rows, found, strict=True))
    print(f"\n{name}: rows deserve, columns were given")
    print(f"{'':12}" + "".join(f"{domain:>11}" for domain in DOMAINS) + f"{'recall':>9}")
    for want in DOMAINS:
        total = sum(counts[want, domain] for domain in DOMAINS)
        line = "".join(f"{counts[want, domain]:>11}" for domain in DOMAINS)
        print(f"{want:12}{line}{counts[want, want] / total:>9.0%}")
    known = [classify(extract_features(row["text"])) for row in rows]
    right = [
        float(item.domain in row.get("accept", [row["want"]])) for item, row in zip(known, rows, strict=True)
    ]
    error = calibration_error([item.confidence for item in known], right)
    print(f"confidence: expected calibration error {error:.3f}")


def robustness(rows: Sequence[Row], predict: Predictor) -> None:
    """Print how many labels flip when a prompt is written otherwise, the mean of DRAWS ways to do it."""
    before = predict(rows)
    for name, change in DISTURBANCES.items():
        flips = 0
        for draw in range(DRAWS):
            texts = [change(row["text"], seed + draw * len(rows)) for seed, row in enumerate(rows)]
            after = predict([{**row, "text": text} for row, text in zip(rows, texts, strict=True)])
            flips += sum(a != b for a, b in zip(before, after, strict=True))
        print(f"  labels that flip, {name}: {flips / DRAWS / len(rows):.1%}")


def without_strangers(rows: Sequence[Row], weights: Weights) -> None:
    """Print what `weights`, which saw no stranger's prompt, do on theirs."""

    def predict(given: Sequence[Row]) -> list[str]:
        return decide([row["text"] for row in given], weights)

    found = predict(rows)
    print(f"\nfitted without the strangers: {shares(rows, found)}")
    for want in DOMAINS:
        some = [(row, domain) for row, domain in zip(rows, found, strict=True) if row["want"] == want]
        right = sum(domain in row["accept"] for row, domain in some) / len(some)
        print(f"  {want}: {right:.0%}")
    robustness(rows, predict)


def outcomes(fits: Sequence[Refit]) -> None:
    """Print APGR, calibration and the curve of `difficulty` on the halves that each fit did not see, for each
    set of outcomes, beside chance and length."""
    for name in sorted({item.source for item in fits[0].outcomes}):
        print()
        for fit in fits:
            at = [place for place, item in enumerate(fit.outcomes) if item.source == name]
            _half(name, [fit.outcomes[place] for place in at], [fit.chances[place] for place in at])


def _half(name: str, rows: Sequence[Outcome], difficulty: Sequence[float]) -> None:
    weak = [1 - row.failed for row in rows]
    strong = [1 - row.failed + row.gained for row in rows]
    noise = random.Random(0)
    areas = {
        "chance": apgr([noise.random() for _ in rows], weak, strong),
        "length": apgr([float(len(row.text)) for row in rows], weak, strong),
        "difficulty": apgr(difficulty, weak, strong),
    }
    told = ", ".join(f"{key} {area:.3f}" for key, area in areas.items())
    print(f"{name}, {len(rows)} unseen: APGR {told}")
    error = calibration_error(difficulty, [row.failed for row in rows])
    # What true probabilities would show, of so many outcomes.
    drawn = [float(noise.random() < chance) for chance in difficulty]
    least = calibration_error(difficulty, drawn)
    print(f"difficulty: expected calibration error {error:.3f} (by chance alone {least:.3f})")
    for point in curve(difficulty, weak, strong):
        bar = "█" * round(40 * max(0.0, point.recovered))
        print(f"  quality {point.quality:.1f}: {point.strong_share:6.1%} to the strong {bar}")


def latency(texts: Sequence[str]) -> None:
    """Print the CPU time of a decision, in milliseconds."""
    catalog, state = _everything_loaded()
    spent: list[float] = []
    for text in texts:
        began = time.process_time()
        choose([{"role": "user", "content": text}], catalog, state)
        spent.append((time.process_time() - began) * 1e3)
    spent.sort()
    cuts = [spent[int(len(spent) * part)] for part in (0.5, 0.95, 0.99)]
    print("\nCPU ms a decision: p50 {:.2f}, p95 {:.2f}, p99 {:.2f}".format(*cuts))


def _lines(file: Path) -> list[Row]:
    # Not splitlines(): prompts hold separators of their own that JSON leaves as they are.
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


if __name__ == "__main__":
    main()
