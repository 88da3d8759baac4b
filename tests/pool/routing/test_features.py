import json
from pathlib import Path

import pytest

from servers.pool.routing.choose import understand
from servers.pool.routing.features import SHARES, extract_features
from servers.pool.routing.parse import parse_question
from servers.pool.routing.quality import deserved
from tests.pool.disturbances import DISTURBANCES
from tests.pool.prompts import predict, prompts

pytestmark = pytest.mark.pure

REPORT = "The van failed its test and the repair is quoted at 900. Donations fell by a tenth in spring. " * 4
CONVERSATIONS = Path(__file__).parents[1] / "conversations.jsonl"


def flips(change: dict[str, str]) -> float:
    """The share of prompts whose domain changes with their text."""
    return sum(predict(text) != predict(other) for text, other in change.items()) / len(change)


@pytest.mark.parametrize("name", sorted(DISTURBANCES))
def test_same_ask_written_otherwise_keeps_its_decision(name: str) -> None:
    change = DISTURBANCES[name]
    texts = [row["text"] for row in prompts("heldout")]
    draws = (0, 1_000, 2_000)
    found = [
        flips({text: change(text, number + draw) for number, text in enumerate(texts)}) for draw in draws
    ]
    assert sum(found) / len(found) <= 0.05


@pytest.mark.parametrize(
    "message",
    [
        f"Two lines for the board:\n\n{REPORT}",
        f'What does it say about the van? "{REPORT}"',
        "Tell the manager what happened\n\n08:01 ERROR printer jam in tray 2\n2024-05-01 09:40 INFO up",
    ],
)
def test_text_that_came_along_is_no_part_of_what_is_asked(message: str) -> None:
    question = parse_question(message)
    assert question.supplied
    assert len(question.text) < 60


def test_question_after_a_text_is_part_of_what_is_asked() -> None:
    assert "worried" in parse_question(f"From the food bank:\n\n{REPORT}\n\nShould I be worried?").text


def test_ask_wrapped_as_a_letter_is_not_taken_for_a_text_that_came_along() -> None:
    letter = "Hola:\n\nNecesito que compares estos dos seguros de coche y me digas cuál conviene.\n\nGracias"
    assert "seguros" in parse_question(letter).text


def test_courtesy_alone_is_kept() -> None:
    assert parse_question("hola, gracias").text
    assert parse_question("Good morning! what is DNS? thanks").text == "what is dns?"


def test_swapped_or_doubled_letters_within_a_word_leave_its_hash() -> None:
    def whole(word: str) -> set[int]:
        features = extract_features(word)
        return {piece.bucket for piece in features.pieces if piece.value == SHARES["word"]}

    assert whole("contratos") == whole("contartos") == whole("conttratos")
    assert whole("contratos") != whole("contrato") != whole("contador")
    assert whole("now") != whole("won")


def test_word_with_a_slip_shares_most_of_its_pieces() -> None:
    right, wrong, other = (
        {piece.bucket for piece in extract_features(word).pieces}
        for word in ("programming", "programing", "butterflies")
    )
    assert len(right & wrong) > 3 * len(right & other)


def test_cost_of_a_message_is_bounded() -> None:
    assert len(extract_features("palabra distinta número " * 5_000).pieces) < 10_000
    assert len(extract_features(" ".join(f"w{n}x" for n in range(9_000))).pieces) < 10_000


def test_conversations_get_the_domain_of_their_last_question() -> None:
    rows = [json.loads(line) for line in CONVERSATIONS.read_text(encoding="utf-8").splitlines()]
    right = 0
    for row in rows:
        talk = [{"role": role, "content": text} for text in row["turns"] for role in ("user", "assistant")]
        found = understand(talk[:-1]).classification
        right += deserved(found.probabilities, found.difficulty)[0] == row["want"]
    assert right / len(rows) >= 0.8
