"""What the graph adds to a search: passages linked to the seeds, scored by a walk that starts at them."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from servers.bridge.entities import normal, vertex
from servers.bridge.graph import Neighbourhood
from servers.bridge.rank import pagerank
from servers.bridge.text import words

EXPANSIONS = 20
NAME_WORDS = 5
HUB = 60


@dataclass(frozen=True)
class Expansion:
    """Scores in [0, 1] by passage, and the passages that are worth fetching, best first."""

    scores: dict[str, float] = field(default_factory=dict)
    best: list[str] = field(default_factory=list)


def mentioned(query: str) -> list[str]:
    """Every run of up to five words of the question, as an entity would be spelt."""
    found = words(query)
    runs = [
        normal(" ".join(found[start : start + length]))
        for start in range(len(found))
        for length in range(1, min(NAME_WORDS, len(found) - start) + 1)
    ]
    return [run for run in dict.fromkeys(runs) if len(run) > 2][:120]


def expand(seeds: Mapping[str, float], around: Neighbourhood, names: Sequence[str]) -> Expansion:
    """Walk from the seeds and the question's own names over `around`."""
    degree = Counter(entity for _, entity, _ in around.edges)
    edges = [
        (chunk, entity, weight / math.log2(1 + degree[entity]))
        for chunk, entity, weight in around.edges
        if degree[entity] <= HUB
    ]
    start = dict(seeds)
    named = {vertex(name) for name in names} & degree.keys()
    start |= {entity: 1.0 / math.log2(1 + degree[entity]) for entity in named}
    rank = pagerank(edges, start)
    chunks = {key: value for key, value in rank.items() if not key.startswith("e")}
    top = max(chunks.values(), default=0.0)
    scores = {key: value / top for key, value in chunks.items()} if top else {}
    best = sorted(scores, key=lambda key: (-scores[key], key))
    return Expansion(scores, [key for key in best if key not in seeds][:EXPANSIONS])
