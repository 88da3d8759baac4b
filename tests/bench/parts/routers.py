"""What the router is measured beside: always the same, keywords, examples, neighbours, a linear model; and
itself, fitted again without what it is then measured on."""

import asyncio
import multiprocessing
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from servers.pool.catalog.catalog import load_catalog
from servers.pool.routing.classifier import DOMAINS, Weights, classify, failure_chance
from servers.pool.routing.features import extract_features
from servers.pool.routing.quality import deserved
from servers.pool.routing.train import fit, fit_difficulty, scaling_of
from servers.pool.routing.training.dataset import Labelled, Outcome, read_labelled, read_outcomes
from servers.pool.routing.training.sparse import Rows, fit_ridge
from tools.text.words import fold, folded_words

Row = dict[str, Any]
Predictor = Callable[[Sequence[Row]], list[str]]
Builder = Callable[[], Predictor]
PROMPTS = Path(__file__).parents[2] / "pool"
FORK = multiprocessing.get_context("fork")
NEIGHBOURS, RIDGE, MOST_CHARS, BATCH = 15, 1.0, 1_500, 32
KEYWORDS = {
    "coding": "codigo code funcion function python java script sql clase class bug error program".split(),
    "expert": "demuestra prove optimiza optimise estrategia strategy disena design analiza plan".split(),
    "technical": "explica explain como funciona how does diferencia difference servidor server".split(),
}


class Cost(NamedTuple):
    """CPU milliseconds of half the decisions at most, and the memory that a router took in MB."""

    p50_ms: float
    memory_mb: float


def builders(train: Sequence[Row], *, embedder: bool) -> dict[str, Builder]:
    """The simpler routers by name; `train` are the prompts that they may learn from."""
    most = Counter(row["want"] for row in train).most_common(1)[0][0]
    found: dict[str, Builder] = {
        "always the same": lambda: lambda rows: [most] * len(rows),
        "keyword list": lambda: lambda rows: [keyword_list(row["text"]) for row in rows],
        "words, linear": lambda: linear(train),
    }
    if embedder:
        examples = [
            {"text": text, "want": spec.domain}
            for spec in load_catalog().models.values()
            for texts in spec.examples.values()
            for text in texts
        ]
        found |= {
            "nearest example": lambda: neighbours(examples, 1),
            "neighbours": lambda: neighbours(train, NEIGHBOURS),
            "embedder, linear": lambda: embedded_linear(train),
        }
    return found


def cost(build: Builder, rows: Sequence[Row]) -> Cost:
    """What a router costs that is built and asked in a child process, one row at a time."""
    ours, theirs = FORK.Pipe(duplex=False)
    child = FORK.Process(target=_cost, args=(theirs, build, rows))
    child.start()
    theirs.close()
    try:
        return Cost(*ours.recv())
    finally:
        child.join()


def _cost(told: Connection, build: Builder, rows: Sequence[Row]) -> None:
    before = _resident_mb()
    predict = build()
    predict(rows[:3])
    spent: list[float] = []
    for row in rows:
        began = time.process_time()
        predict([row])
        spent.append((time.process_time() - began) * 1e3)
    told.send((sorted(spent)[len(spent) // 2], _resident_mb() - before))


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


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
    """The vote of the `count` prompts whose embedding is nearest."""
    embed = _embedder()
    anchors = embed([row["text"] for row in train])

    def predict(rows: Sequence[Row]) -> list[str]:
        vectors = embed([row["text"] for row in rows])
        nearest = np.argsort(-(vectors @ anchors.T), axis=1)[:, :count]
        return [Counter(train[near]["want"] for near in line).most_common(1)[0][0] for line in nearest]

    return predict


def embedded_linear(train: Sequence[Row]) -> Predictor:
    """Ridge regression on the embeddings of `train`, one-hot: the most that a student of theirs can learn."""
    embed = _embedder()
    targets = np.eye(len(DOMAINS))[[DOMAINS.index(row["want"]) for row in train]]

    def wide(vectors: Any) -> Any:
        return np.hstack([vectors, np.ones((len(vectors), 1))])

    seen = wide(embed([row["text"] for row in train]))
    weights = np.linalg.solve(seen.T @ seen + RIDGE * np.eye(seen.shape[1]), seen.T @ targets)
    return lambda rows: [
        DOMAINS[best] for best in (wide(embed([row["text"] for row in rows])) @ weights).argmax(axis=1)
    ]


def _embedder() -> Callable[[Sequence[str]], Any]:
    """The built-in multilingual embedder, opened once."""
    from servers.bridge.embedding.e5 import E5

    model, runner = E5(Path(tempfile.mkdtemp())), asyncio.Runner()

    def embed(texts: Sequence[str]) -> Any:
        short = [text[:MOST_CHARS] for text in texts]
        parts = [short[at : at + BATCH] for at in range(0, len(short), BATCH)]
        return np.vstack([runner.run(model.embed(part, purpose="query")) for part in parts])

    return embed


class Refit(NamedTuple):
    """Of the half of the outcomes that a fit did not see: the outcomes, and its chances that a cheaper model
    fails them."""

    outcomes: list[Outcome]
    chances: list[float]


def refits(data: Path) -> Iterator[Refit]:
    """A fit on each half of RouteLLM's outcomes, with the house's prompts and all of MMLU-Pro's outcomes."""
    prompts, outcomes, others = _seen(data)
    clean, halved, beside = (
        [extract_features(item.text) for item in items] for items in (prompts, outcomes, others)
    )
    half = np.random.default_rng(7).integers(0, 2, len(outcomes))
    for number in (0, 1):
        inside, outside = np.flatnonzero(half == number), np.flatnonzero(half != number)
        known = [*clean, *(halved[place] for place in inside), *beside]
        seen = [*(outcomes[place] for place in inside), *others]
        weights, _ = fit_difficulty(known, prompts, seen, scaling_of(known))
        chances = [failure_chance(halved[place], weights) for place in outside]
        yield Refit([outcomes[place] for place in outside], chances)


def fit_without_strangers(data: Path) -> Weights:
    """Weights that saw all but the strangers' prompts."""
    prompts, outcomes, others = _seen(data)
    return fit(prompts, [*outcomes, *others])[0]


def _seen(data: Path) -> tuple[list[Labelled], list[Outcome], list[Outcome]]:
    files = [PROMPTS / f"prompts-{name}.jsonl" for name in ("tune", "written")]
    return (
        [row for file in files for row in read_labelled(file)],
        read_outcomes(data / "routing" / "outcomes-dev.jsonl"),
        read_outcomes(data / "recorded-answers" / "mmlu-pro-dev.jsonl"),
    )


def decide(texts: Sequence[str], weights: Weights) -> list[str]:
    """The domain that each question alone deserves."""
    found = [classify(extract_features(text), weights=weights) for text in texts]
    return [deserved(item.probabilities, item.difficulty)[0] for item in found]
