"""Personalised PageRank over linked passages. Pure and bounded."""

from collections import defaultdict
from collections.abc import Mapping

RESTART = 0.3
STAY = 0.5
STEPS = 10

Links = Mapping[str, Mapping[str, float]]


def walk(links: Links, start: Mapping[str, float], *, restart: float = RESTART) -> dict[str, float]:
    """Share of a random walk's time at each passage, the busiest being 1.

    The walk begins and restarts at `start` (weights by passage). `STAY` is the pull of the passage itself:
    one weak link does not carry all of a passage's weight away.
    """
    total = sum(start.values())
    if total <= 0:
        return {}
    home = {key: value / total for key, value in start.items()}
    moves = {key: _shares(key, targets) for key, targets in links.items()}
    rank = dict(home)
    for _ in range(STEPS):
        arrived: defaultdict[str, float] = defaultdict(float)
        for key, value in rank.items():
            for target, share in moves.get(key, {key: 1.0}).items():
                arrived[target] += (1 - restart) * value * share
        for key, value in home.items():
            arrived[key] += restart * value
        rank = dict(arrived)
    top = max(rank.values())
    return {key: value / top for key, value in rank.items()}


def _shares(key: str, targets: Mapping[str, float]) -> dict[str, float]:
    total = sum(targets.values()) + STAY
    shares = {target: weight / total for target, weight in targets.items()}
    shares[key] = shares.get(key, 0.0) + STAY / total
    return shares
