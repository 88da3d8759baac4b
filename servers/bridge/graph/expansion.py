"""Expands a search through the graph: passages linked to the seeds, scored by personalised PageRank. Pure.

It walks `mentions` and `about`, which lead from passage to passage, and around the surest passages `names`:
what names the same rare thing may be the next hop though it is no title ("Who is the spouse of the director
of Jump for Glory?" is told by another film of the same director). `related` it does not: such an edge
repeats what one passage says, and that passage is found by its words. Where a model found another document's
title in it, `extraction` has written a `mentions` edge too, and that one is walked.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from servers.bridge.graph.asked import SILENT, Asked
from servers.bridge.graph.pagerank import personalized_pagerank
from servers.bridge.graph.subgraph import Subgraph

# Each says what another value costs: the difference of R@5 over 186 made-up two-hop questions (.969),
# HotpotQA-100 (.975) and MuSiQue-100 (.718, by words alone), all else as it was when it was learnt.
# None was held out. Cranfield and XQuAD, by words alone, fall by .001 at most.
MAX_ADDED = 20
"""Passages that only the graph found."""
MAX_SEEDS = 20
SEED_EXPONENT = 10
"""Fused scores lie close together: their 10th power lets the walk begin at the best. 6: +.003, -.010,
-.007."""
TITLE_WEIGHT = 6.0
"""Of a title that is the whole query, against all seeds together. 10: +.008, no difference."""
REVERSE_WEIGHT = 0.2
"""Of the way from a title's passages to who mentions it, against the way there. .5: +.005, -.005, -.003, and
all passages of an answer among the first eight for 3 % fewer of the made-up questions."""
MAX_SURE = 3
"""Passages of which is read what they say of a name, and what they share with others. 5: 0, -.005,
-.007."""
THING_WEIGHT, UNASKED = 0.3, 0.3
"""Of a thing that two passages name, against a title, and the share of it that needs no word of the question.
0, so that nothing is shared: +.001, +.010, -.058; .5: no difference, -.005, no difference."""
TIME_EXPONENT = 0.5
"""Of a walk's share of time, as a score. A passage that the best one names among five others has a tenth of
its time, and so would count less than what has a few of the query's words. 1: -.039, -.015, -.012; .35:
-.001, -.005, no difference."""
HUB_DEGREE = 30
"""A name that more passages mention is a hub: its links weigh less, nothing walks back through it, and nobody
reads who they are."""
AMBIGUOUS_DEGREE = 5
"""A title of one word that more passages mention is a word rather than a name."""


class Step(NamedTuple):
    """How a passage is reached from passage `source` (id): through a name, which one of the two mentions and
    the other has for a title, or which both name."""

    source: str
    name: str
    edge: Literal["mentions", "mentioned by", "names"]


@dataclass(frozen=True)
class Expansion:
    """Scores in [0, 1] by passage id; the best passages that no seed is, best first; how each was reached
    by its best step."""

    scores: dict[str, float] = field(default_factory=dict[str, float])
    added: list[str] = field(default_factory=list[str])
    paths: dict[str, Step] = field(default_factory=dict[str, Step])


def best_seeds(scores: Mapping[str, float]) -> list[str]:
    """The passages (ids) that the walk starts from: at most `MAX_SEEDS`, best first, ties by id."""
    return sorted(scores, key=lambda key: (-scores[key], key))[:MAX_SEEDS]


def surest(seeds: Mapping[str, float], around: Subgraph, matched: Mapping[str, float]) -> list[str]:
    """The passages (ids) that the walk most begins at: at most `MAX_SURE`, best first."""
    start = _start(seeds, around, matched)
    return sorted(start, key=lambda key: (-start[key], key))[:MAX_SURE]


def expand(
    seeds: Mapping[str, float], around: Subgraph, matched: Mapping[str, float], asked: Asked = SILENT
) -> Expansion:
    """Walk from the best seeds, and from the passages whose title the query names.

    `seeds` are fused scores in [0, 1] by passage id; `matched` holds, by the vertex id of each title that the
    query names, the share in (0, 1] of the query's words that the title is; `asked` knows what the question
    asks of the surest passages and of those that share a thing with them.
    """
    start = _start(seeds, around, matched)
    sure = surest(seeds, around, matched)
    links, paths = _links(seeds, around, sure, asked)
    for source, target, thing, weight in _shared(around, sure, asked):
        _keep_heavier(links[source], target, weight * (1 + seeds.get(target, 0.0)))
        paths.setdefault(target, Step(source, thing, "names"))
    times = personalized_pagerank(links, start)
    scores = {key: time**TIME_EXPONENT for key, time in times.items()}
    ordered = sorted(scores, key=lambda key: (-scores[key], key))
    return Expansion(scores, [key for key in ordered if key not in seeds][:MAX_ADDED], paths)


def sharing(around: Subgraph, sure: Sequence[str], asked: Asked) -> list[str]:
    """The passages (ids) that share a thing with one of `sure`, the rarest and most asked for first."""
    found: defaultdict[str, float] = defaultdict(float)
    for thing, passages in around.things.items():
        near = UNASKED + max((asked.near(key, thing) for key in sure if key in passages), default=0.0)
        for passage in passages:
            found[passage] += near / len(passages)
    return sorted(found, key=lambda key: (-found[key], key))


def _titled(around: Subgraph) -> dict[str, list[str]]:
    """The passages of each title, by its vertex id."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for passage, name in sorted(around.about):
        found[name].append(passage)
    return dict(found)


def _start(seeds: Mapping[str, float], around: Subgraph, matched: Mapping[str, float]) -> dict[str, float]:
    """Where the walk begins: the best seeds and the passages whose title the query names, `TITLE_WEIGHT`
    times as heavy as all seeds for a title that is the whole query. A single word that many mention may be no
    name here: it adds nothing."""
    titled = _titled(around)
    found = {key: seeds[key] ** SEED_EXPONENT for key in best_seeds(seeds)}
    total = sum(found.values()) or 1.0
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
    seeds: Mapping[str, float], around: Subgraph, sure: Sequence[str], asked: Asked
) -> tuple[defaultdict[str, dict[str, float]], dict[str, Step]]:
    """Weights from passage to passage, and how each passage is reached from the best seed that leads there.

    A link weighs more towards what the query asks (1 + the target's score), more where a surest passage says
    the name beside a word of the question, and less through a name that many mention: 1 / log2(1 + degree) is
    the idea of inverse document frequency, and a hub's links share `HUB_DEGREE`.
    """
    titled = _titled(around)
    links: defaultdict[str, dict[str, float]] = defaultdict(dict)
    paths: dict[str, Step] = {}
    for passage, name in sorted(around.mentions):
        if name not in titled:
            continue
        label, degree = around.names.get(name, name), max(1, around.degree.get(name, 1))
        weight = min(1.0, HUB_DEGREE / degree) / math.log2(1 + degree) / len(titled[name])
        near = 1 + (asked.near(passage, label) if passage in sure else 0.0)
        for target in titled[name]:
            if target == passage:
                continue
            _keep_heavier(links[passage], target, near * weight * (1 + seeds.get(target, 0.0)))
            if degree <= HUB_DEGREE:
                back = REVERSE_WEIGHT * weight * (1 + seeds.get(passage, 0.0))
                _keep_heavier(links[target], passage, back)
            for step, reached in (
                (Step(passage, label, "mentions"), target),
                (Step(target, label, "mentioned by"), passage),
            ):
                known = paths.get(reached)
                if seeds.get(step.source, 0.0) > (seeds.get(known.source, 0.0) if known else 0.0):
                    paths[reached] = step
    return links, paths


def _shared(around: Subgraph, sure: Sequence[str], asked: Asked) -> Iterator[tuple[str, str, str, float]]:
    """`(source, target, thing, weight)` of each pair of a surest passage and one that names the same rare
    thing. It weighs more where the source says the thing beside a word of the question, and where the target
    holds the words that the source leaves open."""
    for thing, passages in sorted(around.things.items()):
        rarity = THING_WEIGHT / math.log2(1 + len(passages))
        for source in sure:
            if source not in passages:
                continue
            near = UNASKED + asked.near(source, thing)
            for target in sorted(passages - {source}):
                yield source, target, thing, rarity * near * (UNASKED + 2 * asked.left(source, target))


def _keep_heavier(weights: dict[str, float], target: str, weight: float) -> None:
    weights[target] = max(weights.get(target, 0.0), weight)
