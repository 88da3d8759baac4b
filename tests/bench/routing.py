"""The router on labelled prompts beside baselines: always the same, a keyword list, the nearest example.

`tune` fitted the weights; what `heldout` and `blind` are is told in `tests/pool/prompts.py`.
Accuracy travels between machines, microseconds do not. `python tests/bench/routing.py [--no-embedder]`
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from servers.pool.catalog.catalog import load_catalog
from servers.pool.routing.choose import choose
from servers.pool.routing.classifier import DOMAINS
from servers.pool.routing.policy import PoolState
from tests.pool.prompts import SPLITS, prompts
from tools.text.words import fold

Row = dict[str, Any]
Predictor = Callable[[Sequence[Row]], list[str]]
KEYWORDS = {
    "coding": "codigo code funcion function python java script sql clase class bug error program".split(),
    "expert": "demuestra prove optimiza optimise estrategia strategy disena design analiza plan".split(),
    "technical": "explica explain como funciona how does diferencia difference servidor server".split(),
}


def main() -> None:
    """Print the accuracy of each router on each split, confusion, and latency."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--no-embedder", action="store_true")
    rows = {split: prompts(split) for split in SPLITS}
    most = Counter(row["want"] for row in rows["tune"]).most_common(1)[0][0]
    routers: dict[str, Predictor] = {
        "always the same": lambda given: [most] * len(given),
        "keyword list": lambda given: [keyword_list(row["text"]) for row in given],
    }
    if not arguments.parse_args().no_embedder:
        routers["nearest example"] = nearest_example()
    routers["router"] = router()
    print(f"{'':16}" + "".join(f"{split:>22}" for split in SPLITS))
    print(f"{'prompts':16}" + "".join(f"{_size(rows[split]):>22}" for split in SPLITS))
    for name, predict in routers.items():
        found = {split: predict(rows[split]) for split in SPLITS}
        print(f"{name:16}" + "".join(f"{_shares(rows[split], found[split]):>22}" for split in SPLITS))
    print("(all · es · en · traps, per cent right)")
    for split in ("heldout", "blind"):
        confusion(split, rows[split], routers["router"](rows[split]))
    latency([row["text"] for split in SPLITS for row in rows[split]])


def router() -> Predictor:
    """The whole decision, as the pool takes it."""
    catalog = load_catalog()
    state = PoolState(frozenset(catalog.ids), frozenset(catalog.ids))
    domain = {spec.id: spec.domain for spec in catalog.models.values()}

    def predict(rows: Sequence[Row]) -> list[str]:
        return [
            domain[choose([{"role": "user", "content": row["text"]}], catalog, state).wanted] for row in rows
        ]

    return predict


def keyword_list(text: str) -> str:
    """The domain with the most keywords in `text`; general without any."""
    folded = f" {fold(text)} "
    counts = {domain: sum(f" {word}" in folded for word in words) for domain, words in KEYWORDS.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else "general"


def nearest_example() -> Predictor:
    """The domain of the catalogue's example whose offline embedding is nearest."""
    from servers.bridge.embedding.minilm import MiniLM

    examples = [
        (text, spec.domain)
        for spec in load_catalog().models.values()
        for texts in spec.examples.values()
        for text in texts
    ]
    embedder = MiniLM(Path(tempfile.mkdtemp()))
    anchors = asyncio.run(embedder.embed([text for text, _ in examples]))

    def predict(rows: Sequence[Row]) -> list[str]:
        fresh = MiniLM(embedder.folder)
        similarities = asyncio.run(fresh.embed([row["text"] for row in rows])) @ anchors.T
        return [examples[place][1] for place in similarities.argmax(axis=1)]

    return predict


def confusion(split: str, rows: Sequence[Row], found: Sequence[str]) -> None:
    """Print the confusion matrix of one split."""
    counts = Counter((row["want"], domain) for row, domain in zip(rows, found, strict=True))
    print(f"\n{split}: rows deserve, columns were given")
    print(f"{'':12}" + "".join(f"{domain:>11}" for domain in DOMAINS) + f"{'recall':>9}")
    for want in DOMAINS:
        total = sum(counts[want, domain] for domain in DOMAINS)
        line = "".join(f"{counts[want, domain]:>11}" for domain in DOMAINS)
        print(f"{want:12}{line}{counts[want, want] / total:>9.0%}")


def latency(texts: Sequence[str]) -> None:
    """Print the CPU time of a decision, in milliseconds."""
    catalog = load_catalog()
    state = PoolState(frozenset(catalog.ids), frozenset(catalog.ids))
    spent: list[float] = []
    for text in texts:
        began = time.process_time()
        choose([{"role": "user", "content": text}], catalog, state)
        spent.append((time.process_time() - began) * 1e3)
    cuts = statistics.quantiles(spent, n=100)
    print(
        f"\nCPU ms a decision: p50 {cuts[49]:.2f}, p95 {cuts[94]:.2f}, p99 {cuts[98]:.2f} over {len(spent)}"
    )


def _size(rows: Sequence[Row]) -> str:
    return f"{len(rows)}, {sum('trap' in row for row in rows) / len(rows):.0%} traps"


def _shares(rows: Sequence[Row], found: Sequence[str]) -> str:
    right = [(row, row["want"] == domain) for row, domain in zip(rows, found, strict=True)]
    parts = (
        [ok for _, ok in right],
        [ok for row, ok in right if row["language"] == "es"],
        [ok for row, ok in right if row["language"] == "en"],
        [ok for row, ok in right if "trap" in row],
    )
    return " · ".join(f"{sum(part) / len(part) * 100:.0f}" for part in parts)


if __name__ == "__main__":
    main()
