"""What the router is measured beside: always the same, keywords, examples, neighbours, a linear model."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from servers.pool.catalog.catalog import load_catalog
from servers.pool.routing.classifier import DOMAINS
from servers.pool.routing.sparse import Rows, fit_ridge
from tools.text.words import fold, folded_words

Row = dict[str, Any]
Predictor = Callable[[Sequence[Row]], list[str]]
NEIGHBOURS = 15
KEYWORDS = {
    "coding": "codigo code funcion function python java script sql clase class bug error program".split(),
    "expert": "demuestra prove optimiza optimise estrategia strategy disena design analiza plan".split(),
    "technical": "explica explain como funciona how does diferencia difference servidor server".split(),
}


def baselines(train: Sequence[Row], *, embedder: bool) -> dict[str, Predictor]:
    """The simpler routers by name; `train` are the prompts that they may learn from."""
    most = Counter(row["want"] for row in train).most_common(1)[0][0]
    found: dict[str, Predictor] = {
        "always the same": lambda rows: [most] * len(rows),
        "keyword list": lambda rows: [keyword_list(row["text"]) for row in rows],
        "words, linear": linear(train),
    }
    if embedder:
        examples = [
            {"text": text, "want": spec.domain}
            for spec in load_catalog().models.values()
            for texts in spec.examples.values()
            for text in texts
        ]
        found |= {"nearest example": neighbours(examples, 1), "neighbours": neighbours(train, NEIGHBOURS)}
    return found


def keyword_list(text: str) -> str:
    """The domain with the most keywords in `text`; general without any."""
    folded = f" {fold(text)} "
    counts = {domain: sum(f" {word}" in folded for word in words) for domain, words in KEYWORDS.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else "general"


def linear(train: Sequence[Row]) -> Predictor:
    """Ridge regression on the words of `train`, one-hot."""
    words = {word for row in train for word in folded_words(row["text"])}
    place = {word: number for number, word in enumerate(sorted(words), 1)}

    def rows(given: Sequence[Row]) -> Rows:
        found = [
            sorted({place[word] for word in folded_words(row["text"]) if word in place}) for row in given
        ]
        return Rows([([0, *held], [1.0] * (len(held) + 1)) for held in found], len(place) + 1)

    targets = np.eye(len(DOMAINS), dtype=np.float32)[[DOMAINS.index(row["want"]) for row in train]]
    weights = fit_ridge(rows(train), targets, np.ones(len(train), np.float32), penalty=1e-3)
    return lambda given: [DOMAINS[best] for best in rows(given).times(weights).argmax(axis=1)]


def neighbours(train: Sequence[Row], count: int) -> Predictor:
    """The vote of the `count` prompts whose offline embedding is nearest."""
    from servers.bridge.embedding.minilm import MiniLM

    folder = Path(tempfile.mkdtemp())
    anchors = asyncio.run(MiniLM(folder).embed([row["text"] for row in train]))

    def predict(rows: Sequence[Row]) -> list[str]:
        vectors = asyncio.run(MiniLM(folder).embed([row["text"] for row in rows]))
        nearest = np.argsort(-(vectors @ anchors.T), axis=1)[:, :count]
        return [Counter(train[near]["want"] for near in line).most_common(1)[0][0] for line in nearest]

    return predict
