import math
import random

import pytest

from servers.pool.routing.classifier import DOMAINS, Classification
from servers.pool.routing.correction import MIN_EVENTS, SPREAD, Correction, Experience, fit

pytestmark = pytest.mark.pure

EVEN = (0.25, 0.25, 0.25, 0.25)


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def _tried(count: int, offset: float, slope: float) -> list[Experience]:
    """Experiences whose share of failures is `offset + slope * logit` of what was shipped."""
    source = random.Random(3)
    found: list[Experience] = []
    for _ in range(count):
        logit = source.uniform(-3, 3)
        failed = float(source.random() < _sigmoid(offset + slope * logit))
        found.append(Experience(EVEN, _sigmoid(logit), None, failed))
    return found


def test_nothing_is_corrected_before_there_is_enough_feedback() -> None:
    fitted = fit(_tried(MIN_EVENTS - 1, 2.0, 1.0))
    assert fitted.correction == Correction()
    assert (fitted.difficulty.events, fitted.difficulty.used) == (MIN_EVENTS - 1, False)


def test_difficulty_that_is_right_already_stays_as_it_is() -> None:
    found = fit(_tried(2_000, 0.0, 1.0))
    assert (found.correction.offset, found.correction.slope) == pytest.approx((0.0, 1.0), abs=0.15)


def test_difficulty_learns_the_offset_and_slope_of_its_house() -> None:
    found = fit(_tried(2_000, 1.2, 0.5))
    assert found.difficulty.used
    assert (found.correction.offset, found.correction.slope) == pytest.approx((1.2, 0.5), abs=0.12)
    assert found.correction.bias == {}


def test_offset_is_the_most_probable_one_under_its_prior() -> None:
    # All logits are 0, so the offset solves count * (sigmoid(offset) - share) + offset / SPREAD² = 0.
    count = 60
    found = fit([Experience(EVEN, 0.5, None, 1.0)] * count).correction
    assert count * (_sigmoid(found.offset) - 1) + found.offset / SPREAD**2 == pytest.approx(0, abs=0.02)
    assert found.slope == 1.0


def test_kind_learns_which_domain_its_house_means() -> None:
    """Half of what looks general is, in this house, technical."""
    shipped = (0.6, 0.3, 0.05, 0.05)
    rows = [Experience(shipped, 0.2, "technical" if number % 4 else "general") for number in range(400)]
    found = fit(rows)
    assert found.kind.used
    after = found.correction.apply(Classification(dict(zip(DOMAINS, shipped, strict=True)), 0.2, {}))
    assert after.probabilities["technical"] == pytest.approx(0.75, abs=0.03)
    assert sum(after.probabilities.values()) == pytest.approx(1)
    assert sum(after.contributions["house"].values()) == pytest.approx(0, abs=1e-9)
    assert after.difficulty == pytest.approx(0.2)


def test_feedback_that_is_noise_changes_no_kind() -> None:
    source = random.Random(1)
    rows = [Experience(EVEN, 0.5, source.choice(DOMAINS)) for _ in range(80)]
    found = fit(rows)
    assert not found.kind.used
    assert (found.correction.bias, found.correction.scale) == ({}, 1.0)


def test_no_correction_leaves_a_classification_untouched() -> None:
    shipped = Classification(dict(zip(DOMAINS, (0.7, 0.1, 0.1, 0.1), strict=True)), 0.3, {})
    assert Correction().apply(shipped) is shipped
