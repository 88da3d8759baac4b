"""The wish for quality: which domain a question deserves, between the cheapest model and the best. Pure.

The loss of a cheaper model is the probability that it fails, the strongest's its price. With `quality` q in
[0, 1] the strongest is deserved where its domain's odds, times q / (1 - q), beat the next domain's, or where
the difficulty is above 1 - q: q moves along the curve of calls and right answers, 1/2 weighs both alike.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

STRONGEST = "expert"
NEUTRAL = 0.5


class Point(NamedTuple):
    """At one `quality`: the share of questions that go to the strongest model, the share answered right, and
    what of the gap between the two models that recovers (PGR); all in [0, 1]."""

    quality: float
    strong_share: float
    accuracy: float
    recovered: float


def deserved(probabilities: Mapping[str, float], difficulty: float, quality: float = NEUTRAL) -> list[str]:
    """Domains, the deserved one first. Of a specialist's question (`coding`) difficulty says nothing: it was
    learnt on other subjects."""
    ranked = sorted(probabilities, key=lambda domain: -probabilities[domain])
    others = [domain for domain in ranked if domain != STRONGEST]
    if STRONGEST not in probabilities or not others:
        return ranked
    best = others[0]
    likelier = quality * probabilities[STRONGEST] > (1 - quality) * probabilities[best]
    hard = best != "coding" and difficulty > 1 - quality
    return [STRONGEST, *others] if likelier or hard else [best, STRONGEST, *others[1:]]


def apgr(difficulty: Sequence[float], weak: Sequence[float], strong: Sequence[float]) -> float:
    """Area under the performance gap recovered: the mean of PGR over every number of calls of the strong
    model, the most difficult first (Ong et al. 2024, "RouteLLM"); 0.5 by chance.

    `weak` and `strong` are 1 where the model answered right. Raises ValueError when they are equally right.
    """
    gap = sum(strong) - sum(weak)
    if gap == 0:
        raise ValueError("the two models are equally right: there is no gap to recover")
    order = sorted(range(len(difficulty)), key=lambda place: -difficulty[place])
    gained, total = 0.0, 0.0
    for place in order:
        gained += strong[place] - weak[place]
        total += gained
    return total / gap / (len(order) + 1)


def curve(difficulty: Sequence[float], weak: Sequence[float], strong: Sequence[float]) -> list[Point]:
    """What `quality` from 0 to 1, in tenths, costs and gains on recorded outcomes."""
    count, low, high = len(difficulty), sum(weak), sum(strong)
    points: list[Point] = []
    for tenth in range(11):
        quality = tenth / 10
        sent = [value > 1 - quality for value in difficulty]
        right = sum(s if up else w for up, w, s in zip(sent, weak, strong, strict=True))
        gap = (right - low) / (high - low) if high != low else 0.0
        points.append(Point(quality, sum(sent) / count, right / count, gap))
    return points


def calibration_error(chances: Sequence[float], happened: Sequence[float]) -> float:
    """Expected calibration error over ten bins of equal width (Naeini et al. 2015, "Obtaining Well Calibrated
    Probabilities Using Bayesian Binning"), in [0, 1].

    Of a few hundred outcomes even true probabilities show some .03. Raises ZeroDivisionError without any.
    """
    bins: dict[int, list[float]] = {}
    for chance, event in zip(chances, happened, strict=True):
        bins.setdefault(min(9, int(chance * 10)), []).append(chance - event)
    return sum(abs(sum(gaps)) for gaps in bins.values()) / len(chances)
