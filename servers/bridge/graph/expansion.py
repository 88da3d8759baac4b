"""Expands a search through the graph: passages linked to the seeds, scored by personalised PageRank. Pure.

It walks `mentions` and `about`, which lead from passage to passage. `related` it does not: such an edge
repeats what one passage says, and that passage is found by its words. Where a model found another document's
title in it, `extraction` has written a `mentions` edge too, and that one is walked.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from servers.bridge.graph.pagerank import personalized_pagerank
from servers.bridge.graph.subgraph import Subgraph

# Each says what another value costs: the difference of R@5 on the passages of `tests/bench/parts/two_hop`
# (.965), HotpotQA-100 (.975) and MuSiQue-100 (.654), all else as it is, in one study: the latter two with
# words alone. Cranfield and XQuAD-en move by .002 at most.
MAX_ADDED = 20
"""Passages that only the graph found."""
MAX_SEEDS = 20
SEED_EXPONENT = 10
"""Fused scores lie close together: their 10th power lets the walk begin at the best. 6: +.003, -.005, -.007."""
TITLE_WEIGHT = 6.0
"""Of a title that is the whole query, against all seeds together. 3: -.003 where it was made; 10: +.008, 0,
0."""
REVERSE_WEIGHT = 0.2
"""Of the way from a title's passages to who mentions it, against the way there: who is mentioned by what was
found is rarer than who mentions it. .5: 0, -.005, -.003, and all gold in the first eight for 3 % fewer."""
TIME_EXPONENT = 0.5
"""Of a walk's share of time, as a score. A passage that the best one names among five others has a tenth of
its time, and so would count less than what has a few of the query's words. 1: -.07, -.02, -.02; .35: 0."""
HUB_DEGREE = 30
"""A name that more passages mention is a hub: its links weigh less, nothing walks back through it, and nobody
reads who they are."""
AMBIGUOUS_DEGREE = 5
"""A title of one word that more passages mention is a word rather than a name."""


@dataclass(frozen=True)
class Expansion:
    """Scores in [0, 1] by passage id; the best passages that no seed is, best first; how each was reached:
    `paths` holds the seed's id and the name between."""

    scores: dict[str, float] = field(default_factory=dict[str, float])
    added: list[str] = field(default_factory=list[str])
    paths: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])


def best_seeds(scores: Mapping[str, float]) -> list[str]:
    """The passages (ids) that the walk starts from: at most `MAX_SEEDS`, best first, ties by id."""
    return sorted(scores, key=lambda key: (-scores[key], key))[:MAX_SEEDS]


def expand(seeds: Mapping[str, float], around: Subgraph, matched: Mapping[str, float]) -> Expansion:
    """Walk from the best seeds, and from the passages whose title the query names.

    `seeds` are fused scores in [0, 1] by passage id; `matched` holds, by the vertex id of each title that the
    query names, the share in (0, 1] of the query's words that the title is.
    """
    titled: defaultdict[str, list[str]] = defaultdict(list)
    for passage, name in sorted(around.about):
        titled[name].append(passage)
    links, paths = _links(seeds, around, titled)
    start = {key: seeds[key] ** SEED_EXPONENT for key in best_seeds(seeds)}
    times = personalized_pagerank(links, _with_matched(start, seeds, around, titled, matched))
    scores = {key: time**TIME_EXPONENT for key, time in times.items()}
    ordered = sorted(scores, key=lambda key: (-scores[key], key))
    return Expansion(scores, [key for key in ordered if key not in seeds][:MAX_ADDED], paths)


def _with_matched(
    start: dict[str, float],
    seeds: Mapping[str, float],
    around: Subgraph,
    titled: Mapping[str, list[str]],
    matched: Mapping[str, float],
) -> dict[str, float]:
    """`start` with the passages whose title the query names, `TITLE_WEIGHT` times as heavy as all seeds for a
    title that is the whole query. A single word that many mention may be no name here: it adds nothing."""
    total = sum(start.values()) or 1.0
    found = dict(start)
    for name, share in matched.items():
        single_word = " " not in around.names.get(name, " ")
        if name not in titled or (single_word and around.degree.get(name, 0) > AMBIGUOUS_DEGREE):
            continue
        whole = sum(1 + seeds.get(key, 0.0) for key in titled[name])
        for key in titled[name]:
            added = TITLE_WEIGHT * total * share * (1 + seeds.get(key, 0.0)) / whole
            found[key] = found.get(key, 0.0) + added
    return found


def _links(
    seeds: Mapping[str, float], around: Subgraph, titled: Mapping[str, list[str]]
) -> tuple[dict[str, dict[str, float]], dict[str, tuple[str, str]]]:
    """Weights from passage to passage, and how each passage is reached from the best seed that leads there.

    A link weighs more towards what the query asks (1 + the target's score) and less through a name that many
    mention: 1 / log2(1 + degree) is the idea of inverse document frequency, and a hub's links share
    `HUB_DEGREE`.
    """
    links: defaultdict[str, dict[str, float]] = defaultdict(dict)
    paths: dict[str, tuple[str, str]] = {}
    for passage, name in sorted(around.mentions):
        degree = max(1, around.degree.get(name, 1))
        weight = min(1.0, HUB_DEGREE / degree) / math.log2(1 + degree) / max(1, len(titled.get(name, ())))
        for target in titled.get(name, ()):
            if target == passage:
                continue
            _keep_heavier(links[passage], target, weight * (1 + seeds.get(target, 0.0)))
            if degree <= HUB_DEGREE:
                back = REVERSE_WEIGHT * weight * (1 + seeds.get(passage, 0.0))
                _keep_heavier(links[target], passage, back)
            for one, two in ((passage, target), (target, passage)):
                if seeds.get(one, 0.0) > seeds.get(paths.get(two, ("", ""))[0], 0.0):
                    paths[two] = (one, around.names.get(name, name))
    return links, paths


def _keep_heavier(weights: dict[str, float], target: str, weight: float) -> None:
    weights[target] = max(weights.get(target, 0.0), weight)
