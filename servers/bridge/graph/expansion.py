"""What the graph adds to a search: passages linked to the seeds, scored by a walk from them. Pure.

It walks `mentions` and `about`, which lead from passage to passage. `related` it does not: such an edge
repeats what one passage says, and that passage is found by its words. Where a model found another document's
title in it, `extraction` has written a `mentions` edge too, and that one is walked.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from servers.bridge.graph.pagerank import walk

EXPANSIONS = 20
SEEDS = 20
SHARPNESS = 6
NAMED = 3.0
BACK = 0.5
HUB = 30
COMMON = 5


@dataclass(frozen=True)
class Neighbourhood:
    """The subgraph around some passages: who mentions which name, whose title it is, how common it is."""

    mentions: set[tuple[str, str]] = field(default_factory=set)
    about: set[tuple[str, str]] = field(default_factory=set)
    degree: dict[str, int] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Expansion:
    """Scores in [0, 1] by passage; passages worth fetching, best first; how each was reached."""

    scores: dict[str, float] = field(default_factory=dict)
    best: list[str] = field(default_factory=list)
    paths: dict[str, tuple[str, str]] = field(default_factory=dict)


def expand(seeds: Mapping[str, float], around: Neighbourhood, named: Mapping[str, float]) -> Expansion:
    """Walk from the best seeds, and from the passages whose title the question names.

    `seeds` are fused scores in [0, 1]; `named` is the share of the question that each name covers.
    """
    titled: defaultdict[str, list[str]] = defaultdict(list)
    for passage, name in sorted(around.about):
        titled[name].append(passage)
    links, paths = _links(seeds, around, titled)
    best = sorted(seeds, key=lambda key: (-seeds[key], key))[:SEEDS]
    start = {key: seeds[key] ** SHARPNESS for key in best}
    scores = walk(links, _with_named(start, seeds, around, titled, named))
    ordered = sorted(scores, key=lambda key: (-scores[key], key))
    return Expansion(scores, [key for key in ordered if key not in seeds][:EXPANSIONS], paths)


def _with_named(
    start: dict[str, float],
    seeds: Mapping[str, float],
    around: Neighbourhood,
    titled: Mapping[str, list[str]],
    named: Mapping[str, float],
) -> dict[str, float]:
    total = sum(start.values()) or 1.0
    found = dict(start)
    for name, share in named.items():
        single = " " not in around.labels.get(name, " ")
        if name not in titled or (single and around.degree.get(name, 0) > COMMON):
            continue
        whole = sum(1 + seeds.get(key, 0.0) for key in titled[name])
        for key in titled[name]:
            found[key] = found.get(key, 0.0) + NAMED * total * share * (1 + seeds.get(key, 0.0)) / whole
    return found


def _links(
    seeds: Mapping[str, float], around: Neighbourhood, titled: Mapping[str, list[str]]
) -> tuple[dict[str, dict[str, float]], dict[str, tuple[str, str]]]:
    """Weights from passage to passage, heavier towards what the question asks, lighter through a hub."""
    links: defaultdict[str, dict[str, float]] = defaultdict(dict)
    paths: dict[str, tuple[str, str]] = {}
    for passage, name in sorted(around.mentions):
        degree = max(1, around.degree.get(name, 1))
        weight = min(1.0, HUB / degree) / math.log2(1 + degree) / max(1, len(titled.get(name, ())))
        for target in titled.get(name, ()):
            if target == passage:
                continue
            _heavier(links[passage], target, weight * (1 + seeds.get(target, 0.0)))
            if degree <= HUB:
                _heavier(links[target], passage, BACK * weight * (1 + seeds.get(passage, 0.0)))
            for one, two in ((passage, target), (target, passage)):
                if seeds.get(one, 0.0) > seeds.get(paths.get(two, ("", ""))[0], 0.0):
                    paths[two] = (one, around.labels.get(name, name))
    return links, paths


def _heavier(weights: dict[str, float], target: str, weight: float) -> None:
    weights[target] = max(weights.get(target, 0.0), weight)
