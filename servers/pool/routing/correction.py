"""What a house's feedback adds to the shipped router: a few numbers over its logits, shrunk to nothing. Pure.

Of kind a bias for each domain and a scale; of difficulty an offset and a slope (Platt 1999). Both are maximum
a posteriori around "no correction", so that little feedback moves little, and each is used only where it
predicts feedback that it was not fitted on better than the shipped numbers do.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from servers.pool.routing.classifier import DOMAINS, Classification

Doubles: TypeAlias = NDArray[np.float64]

MIN_EVENTS = 30
"""With less feedback nothing is fitted."""
FOLDS = 5
SURE = 1.0
"""The held-out gain must be so many of its standard errors; an estimate."""
SPREAD = 0.7
"""The prior's standard deviation of each number of a correction, in logits; an estimate."""
STEPS, RATE = 300, 0.5
FLOOR = 1e-4
"""Probabilities count as at least this, and at most one less this."""


class Experience(NamedTuple):
    """What one answer taught: the shipped probabilities in the order of DOMAINS and the shipped difficulty.

    `deserved` is the domain that proved right, where that is known; `failed` (0 to 1) how likely a cheaper
    model than the strongest failed, where one answered.
    """

    probabilities: tuple[float, ...]
    difficulty: float
    deserved: str | None = None
    failed: float | None = None


@dataclass(frozen=True)
class Correction:
    """One house's numbers; the default changes nothing.

    `bias` adds to a domain's log-probability after `scale` multiplied it; the difficulty's logit becomes
    `offset + slope * logit`.
    """

    bias: Mapping[str, float] = field(default_factory=dict[str, float])
    scale: float = 1.0
    offset: float = 0.0
    slope: float = 1.0

    def apply(self, shipped: Classification) -> Classification:
        """The classification as this house has it; what was added is the contribution `house`."""
        if self == Correction():
            return shipped
        logs = {name: math.log(_inside(value)) for name, value in shipped.probabilities.items()}
        logits = {name: self.scale * value + self.bias.get(name, 0.0) for name, value in logs.items()}
        top = max(logits.values())
        raised = {name: math.exp(value - top) for name, value in logits.items()}
        total = sum(raised.values())
        added = {name: logits[name] - logs[name] for name in logits}
        mean = sum(added.values()) / len(added)
        house = {name: value - mean for name, value in added.items()}
        return Classification(
            {name: value / total for name, value in raised.items()},
            _sigmoid(self.offset + self.slope * _logit(shipped.difficulty)),
            {**shipped.contributions, "house": house},
        )


class Judged(NamedTuple):
    """A part that was fitted: on how many experiences, and what it gains on unseen ones in nats each (log
    loss, shipped less corrected), with that mean's standard error. `used` where it wins."""

    events: int
    gain: float
    error: float

    @property
    def used(self) -> bool:
        """Whether the correction wins on feedback that it was not fitted on."""
        return self.events >= MIN_EVENTS and self.gain > SURE * self.error


class Fitted(NamedTuple):
    """A house's correction, with how each part was judged; a part that does not win changes nothing."""

    correction: Correction
    kind: Judged
    difficulty: Judged


def fit(experiences: Sequence[Experience]) -> Fitted:
    """The correction that these experiences ask for."""
    told = [item for item in experiences if item.deserved in DOMAINS]
    logs = np.log(np.array([item.probabilities for item in told]).reshape(-1, len(DOMAINS)).clip(FLOOR, 1))
    right = np.array([DOMAINS.index(item.deserved or "") for item in told], np.intp)
    kind, kind_judged = _judge(_fit_kind, _kind_loss, logs, np.eye(len(DOMAINS))[right])
    tried = [item for item in experiences if item.failed is not None]
    logits = np.array([_logit(item.difficulty) for item in tried])
    failed = np.array([item.failed or 0.0 for item in tried])
    hard, hard_judged = _judge(_fit_difficulty, _difficulty_loss, logits, failed)
    bias = {name: round(float(value), 4) for name, value in zip(DOMAINS, kind, strict=False) if kind.any()}
    return Fitted(
        Correction(
            bias=bias,
            scale=round(math.exp(float(kind[-1])), 4),
            offset=round(float(hard[0]), 4),
            slope=round(math.exp(float(hard[1])), 4),
        ),
        kind_judged,
        hard_judged,
    )


Fit: TypeAlias = Callable[[Doubles, Doubles], Doubles]
Loss: TypeAlias = Callable[[Doubles, Doubles, Doubles], Doubles]


def _judge(how: Fit, loss: Loss, seen: Doubles, wanted: Doubles) -> tuple[Doubles, Judged]:
    """The numbers fitted on everything where they win on folds that were not fitted, else zeros."""
    count = len(seen)
    nothing = np.zeros_like(how(seen[:0], wanted[:0]))
    if count < MIN_EVENTS:
        return nothing, Judged(count, 0.0, 0.0)
    gains = np.zeros(count)
    # Every fifth: what came together does not fall into one fold, and nothing is left to chance.
    part = np.arange(count) % FOLDS
    for number in range(FOLDS):
        inside, outside = part != number, part == number
        found = how(seen[inside], wanted[inside])
        gains[outside] = loss(nothing, seen[outside], wanted[outside]) - loss(
            found, seen[outside], wanted[outside]
        )
    error = float(gains.std(ddof=1) / math.sqrt(count))
    judged = Judged(count, round(float(gains.mean()), 5), round(error, 5))
    return (how(seen, wanted) if judged.used else nothing), judged


def _fit_kind(logs: Doubles, wanted: Doubles) -> Doubles:
    """Biases of the domains, then the logarithm of the scale."""
    numbers = np.zeros(len(DOMAINS) + 1)
    rates = _rates([0.0] * len(DOMAINS), (logs**2).sum(axis=1))
    for _ in range(STEPS):
        errors = _softmax(logs * math.exp(numbers[-1]) + numbers[:-1]) - wanted
        scale = float((errors * logs).sum()) * math.exp(numbers[-1])
        gradient = np.append(errors.sum(axis=0), scale) + numbers / SPREAD**2
        numbers -= rates * gradient
    return numbers


def _kind_loss(numbers: Doubles, logs: Doubles, wanted: Doubles) -> Doubles:
    chances = _softmax(logs * math.exp(numbers[-1]) + numbers[:-1])
    return -np.log((chances * wanted).sum(axis=1).clip(FLOOR, 1))


def _fit_difficulty(logits: Doubles, failed: Doubles) -> Doubles:
    """The offset, then the logarithm of the slope."""
    numbers = np.zeros(2)
    rates = _rates([0.0], logits**2)
    for _ in range(STEPS):
        slope = math.exp(numbers[1])
        errors = 1 / (1 + np.exp(-(numbers[0] + slope * logits))) - failed
        gradient = np.array([errors.sum(), (errors * logits).sum() * slope]) + numbers / SPREAD**2
        numbers -= rates * gradient
    return numbers


def _rates(flat: Sequence[float], squares: Doubles) -> Doubles:
    """The step of each number in gradient descent: a factor of wide logits would overshoot with that of an
    offset."""
    wide = float(squares.mean()) if len(squares) else 0.0
    return RATE / (max(1, len(squares)) * (1 + np.array([*flat, wide])))


def _difficulty_loss(numbers: Doubles, logits: Doubles, failed: Doubles) -> Doubles:
    chances = (1 / (1 + np.exp(-(numbers[0] + math.exp(numbers[1]) * logits)))).clip(FLOOR, 1 - FLOOR)
    return -(failed * np.log(chances) + (1 - failed) * np.log(1 - chances))


def _softmax(logits: Doubles) -> Doubles:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True)) if len(logits) else logits
    return raised / raised.sum(axis=1, keepdims=True)


def _inside(chance: float) -> float:
    return min(1 - FLOOR, max(FLOOR, chance))


def _logit(chance: float) -> float:
    return math.log(_inside(chance) / (1 - _inside(chance)))


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))
