"""Personalised PageRank over the passages and entities around some seeds. Pure and bounded."""

from collections.abc import Mapping, Sequence

import numpy as np

RESTART = 0.5
STEPS = 12


def pagerank(
    edges: Sequence[tuple[str, str, float]], start: Mapping[str, float], *, restart: float = RESTART
) -> dict[str, float]:
    """Share of a random walk's time at each node; it begins and restarts at `start` (weights by node)."""
    nodes = list(dict.fromkeys([*start, *(end for one, two, _ in edges for end in (one, two))]))
    if not nodes or not any(start.values()):
        return {}
    index = {node: place for place, node in enumerate(nodes)}
    ones = np.array([index[one] for one, _, _ in edges], dtype=np.int64)
    twos = np.array([index[two] for _, two, _ in edges], dtype=np.int64)
    weights = np.array([weight for _, _, weight in edges], dtype=np.float64)
    sources, targets = np.concatenate([ones, twos]), np.concatenate([twos, ones])
    both = np.concatenate([weights, weights])
    leaving = np.bincount(sources, weights=both, minlength=len(nodes))
    flow = both / np.maximum(leaving[sources], 1e-12) if len(both) else both
    home = np.array([max(0.0, start.get(node, 0.0)) for node in nodes])
    home /= home.sum()
    rank = home.copy()
    for _ in range(STEPS):
        moved = np.bincount(targets, weights=rank[sources] * flow, minlength=len(nodes))
        rank = restart * home + (1 - restart) * (moved + home * rank[leaving == 0].sum())
    return dict(zip(nodes, rank.tolist(), strict=True))
