import random

import pytest

from servers.pool.catalog.catalog import load_catalog
from servers.pool.catalog.routing_options import RoutingOptions, read_routing_options
from servers.pool.routing.choose import choose
from servers.pool.routing.policy import PoolState
from servers.pool.routing.quality import apgr, calibration_error, curve, deserved
from tools.errors import BadRequest

pytestmark = pytest.mark.pure

CATALOG = load_catalog()
STATE = PoolState(frozenset(CATALOG.ids), frozenset(CATALOG.ids))
DOUBT = {"general": 0.1, "technical": 0.5, "coding": 0.05, "expert": 0.35}


def test_more_quality_sends_a_doubtful_question_to_the_strongest() -> None:
    assert deserved(DOUBT, 0.2, 0.5)[0] == "technical"
    assert deserved(DOUBT, 0.2, 0.7)[0] == "expert"
    assert deserved({**DOUBT, "expert": 0.9}, 0.2, 0.02)[0] == "technical"


def test_difficult_question_deserves_the_strongest_but_for_a_specialists() -> None:
    assert deserved(DOUBT, 0.6)[0] == "expert"
    assert deserved({**DOUBT, "coding": 0.9}, 0.6)[0] == "coding"


def test_every_wish_ranks_every_domain_once() -> None:
    for tenth in range(11):
        assert sorted(deserved(DOUBT, 0.3, tenth / 10)) == sorted(DOUBT)


def test_area_is_a_half_by_chance_and_near_one_when_foreseen() -> None:
    noise = random.Random(1)
    weak = [float(noise.random() < 0.6) for _ in range(4_000)]
    strong = [max(value, float(noise.random() < 0.5)) for value in weak]
    assert apgr([noise.random() for _ in weak], weak, strong) == pytest.approx(0.5, abs=0.03)
    assert apgr([s - w for w, s in zip(weak, strong, strict=True)], weak, strong) > 0.85
    with pytest.raises(ValueError, match="no gap"):
        apgr([0.1, 0.2], [1.0, 0.0], [0.0, 1.0])


def test_calibration_error_is_how_far_chances_are_from_what_happened() -> None:
    assert calibration_error([0.25] * 4, [1.0, 0.0, 0.0, 0.0]) == pytest.approx(0)
    assert calibration_error([0.9] * 4, [1.0, 1.0, 0.0, 0.0]) == pytest.approx(0.4)
    assert calibration_error([0.1, 0.95], [0.0, 0.0]) == pytest.approx((0.1 + 0.95) / 2)


def test_curve_goes_from_the_weak_model_to_the_strong_one() -> None:
    points = curve([0.2, 0.9, 0.6], [1.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    assert (points[0].strong_share, points[0].recovered) == (0.0, 0.0)
    assert (points[-1].strong_share, points[-1].recovered) == (1.0, 1.0)
    assert [point.accuracy for point in points] == sorted(point.accuracy for point in points)


def test_wish_is_read_from_the_header_and_overruled_by_the_field() -> None:
    assert read_routing_options(None, quality=b"0.8").quality == 0.8
    assert read_routing_options({"quality": 0.1}, quality=b"0.8").quality == 0.1
    for wrong in (b"best", b"1.5", b"nan", b"-1"):
        with pytest.raises(BadRequest, match="x-capibara6-quality"):
            read_routing_options(None, quality=wrong)
    with pytest.raises(BadRequest, match=r"route\.quality"):
        read_routing_options({"quality": 2})


def test_wish_that_changed_the_model_is_a_reason() -> None:
    question = [{"role": "user", "content": "¿Qué ventajas tiene una cooperativa?"}]
    best = choose(question, CATALOG, STATE, RoutingOptions(quality=1))
    assert best.wanted == "gptoss_complex"
    assert any("la calidad pedida (1)" in reason for reason in best.reasons)
    assert choose(question, CATALOG, STATE, RoutingOptions(quality=0)).wanted != "gptoss_complex"


def test_difficulty_is_a_probability_and_a_proof_is_harder_than_a_greeting() -> None:
    easy, hard = (
        choose([{"role": "user", "content": text}], CATALOG, STATE).difficulty
        for text in ("hola", "Prove that every group of order 15 is cyclic and classify those of order 21.")
    )
    assert easy is not None and hard is not None
    assert 0 <= easy < hard <= 1
