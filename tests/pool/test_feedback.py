from pathlib import Path

import pytest

from servers.pool.feedback import KEPT, Feedback
from servers.pool.routing.classifier import DOMAINS, Classification
from servers.pool.routing.correction import Correction

SHIPPED = Classification(dict(zip(DOMAINS, (0.6, 0.3, 0.05, 0.05), strict=True)), 0.2, {})


def _question(number: int) -> Classification:
    return SHIPPED._replace(difficulty=0.1 + number / 10_000)


def test_one_house_never_moves_another(tmp_path: Path) -> None:
    feedback = Feedback(tmp_path)
    for number in range(60):
        feedback.record("ours", _question(number), "down", domain="general")
    assert feedback.refit("ours").to_json()["difficulty"]["used"]
    assert feedback.correction("ours").offset > 1
    assert feedback.correction("theirs") == Correction()
    assert feedback.tenants() == ["ours"]


def test_second_word_on_a_question_takes_the_place_of_the_first(tmp_path: Path) -> None:
    feedback = Feedback(tmp_path)
    feedback.record("a", SHIPPED, "down", domain="general")
    house = feedback.record("a", SHIPPED, "up", domain="general")
    assert house.to_json()["signals"] == {"up": 1}
    assert house.events[0].experience.failed == 0.0


def test_answer_of_the_strongest_says_nothing_of_the_cheaper_ones(tmp_path: Path) -> None:
    event = Feedback(tmp_path).record("a", SHIPPED, "down", domain="expert").events[0]
    assert (event.experience.failed, event.experience.deserved) == (None, None)


def test_model_that_did_better_tells_what_the_question_deserved(tmp_path: Path) -> None:
    event = Feedback(tmp_path).record("a", SHIPPED, "escalated", domain="general", better="expert").events[0]
    assert (event.experience.failed, event.experience.deserved) == (1.0, "expert")


def test_the_oldest_goes_first(tmp_path: Path) -> None:
    feedback = Feedback(tmp_path)
    house = feedback.house("a")
    one = feedback.record("a", SHIPPED, "up", domain="general").events[0]
    house.events = [one._replace(at=number) for number in range(KEPT)]
    feedback.record("a", _question(1), "up", domain="general")
    assert len(house.events) <= KEPT
    house.events = [
        one._replace(at=number, experience=one.experience._replace(difficulty=number / KEPT))
        for number in range(KEPT)
    ]
    feedback.record("a", _question(1), "up", domain="general")
    assert (len(house.events), house.events[0].at) == (KEPT, 1)


def test_house_is_found_again_after_a_restart_and_forgotten_on_reset(tmp_path: Path) -> None:
    first = Feedback(tmp_path)
    for number in range(40):
        first.record("a", _question(number), "down", domain="technical")
    kept = first.refit("a").to_json()
    again = Feedback(tmp_path)
    assert again.house("a").to_json() == kept
    assert again.correction("a") == first.correction("a")
    assert again.reset("a").to_json()["events"] == 0
    assert Feedback(tmp_path).correction("a") == Correction()


def test_no_word_of_a_question_reaches_the_disk(tmp_path: Path) -> None:
    shipped = SHIPPED._replace(contributions={"«secreto»": {"general": 1.0}})
    Feedback(tmp_path).record("a", shipped, "up", domain="general")
    (file,) = tmp_path.glob("*")
    assert "secreto" not in file.read_text("utf-8")
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"tenant": "a", "events": [[1]], "fitted": null}'])
def test_broken_file_is_no_house(tmp_path: Path, content: str) -> None:
    feedback = Feedback(tmp_path)
    feedback.record("a", SHIPPED, "up", domain="general")
    (file,) = tmp_path.glob("*.json")
    file.write_text(content, "utf-8")
    assert Feedback(tmp_path).house("a").events == []
