"""A passage and its translation: which of the two goes first, and what stays where it was."""

import pytest

from servers.bridge.search.candidates import PassageRow
from servers.bridge.search.ranking import prefer_own_language

pytestmark = pytest.mark.pure

KEY = {
    "es": "La clave de API se define con la variable `CAPIBARA6_API_KEY`; sin ella, el error es 401.",
    "en": "The API key is set with the variable `CAPIBARA6_API_KEY`; without it the error is 401.",
}
PORT = {
    "es": "El puente escucha en el puerto 8000.",
    "en": "Milvus keeps vectors, Redis keeps the cached answers.",
}
KING = {
    "es": "El rey vivió siete años en una casa vieja junto al mar y allí escribió su libro.",
    "en": "For seven years the king lived in an old house by the sea, where he wrote his book.",
}


def rows(**texts: tuple[str, str]) -> dict[str, PassageRow]:
    return {
        key: PassageRow(
            document_id=key, title="", source="", heading="", language=language, text=text, metadata={}
        )
        for key, (language, text) in texts.items()
    }


def test_the_translation_in_the_language_of_the_question_goes_first():
    held = rows(clave=("es", KEY["es"]), key=("en", KEY["en"]), port=("es", PORT["es"]))
    scores = {"clave": 0.9, "port": 0.5, "key": 0.4}
    assert prefer_own_language(scores, held, "en") == {"clave": 0.4, "port": 0.5, "key": 0.9}
    assert prefer_own_language(scores, held, "es") == scores


def test_what_is_no_translation_stays_below_a_better_passage_of_another_language():
    held = rows(clave=("es", KEY["es"]), other=("en", PORT["en"]))
    scores = {"clave": 0.9, "other": 0.4}
    assert prefer_own_language(scores, held, "en") == scores


def test_a_translation_that_shares_no_spelling_goes_first_too():
    held = rows(rey=("es", KING["es"]), port=("en", PORT["en"]), king=("en", KING["en"]))
    scores = {"rey": 0.9, "port": 0.5, "king": 0.4}
    assert prefer_own_language(scores, held, "en") == {"rey": 0.4, "port": 0.5, "king": 0.9}


def test_a_part_of_the_translation_goes_first_as_well():
    whole = f"{KING['en']} Nobody knew who he was. The fishermen took him for a teacher from the capital."
    held = rows(rey=("es", KING["es"]), king=("en", whole))
    assert prefer_own_language({"rey": 0.9, "king": 0.4}, held, "en") == {"rey": 0.4, "king": 0.9}


def test_of_two_that_are_alike_the_translation_is_the_most_alike():
    near = "The API key of Milvus is another variable; the error is 401 there too, with no key."
    held = rows(clave=("es", KEY["es"]), near=("en", near), key=("en", KEY["en"]))
    scores = {"clave": 0.9, "near": 0.5, "key": 0.4}
    assert prefer_own_language(scores, held, "en") == {"clave": 0.4, "near": 0.5, "key": 0.9}


def test_a_passage_with_the_wrong_label_is_not_taken_for_another_language():
    held = rows(key=("es", KEY["en"]), other=("en", KEY["en"] + " The bridge checks it at each request."))
    scores = {"key": 0.9, "other": 0.4}
    assert prefer_own_language(scores, held, "en") == scores


def test_each_translation_is_exchanged_once():
    held = rows(one=("es", KEY["es"]), two=("es", KEY["es"]), key=("en", KEY["en"]))
    scores = {"one": 0.9, "two": 0.8, "key": 0.4}
    assert prefer_own_language(scores, held, "en") == {"one": 0.4, "two": 0.8, "key": 0.9}


def test_passages_of_one_language_are_left_alone():
    held = rows(one=("en", KEY["en"]), two=("en", KEY["en"]))
    assert prefer_own_language({"one": 0.4, "two": 0.8}, held, "en") == {"one": 0.4, "two": 0.8}
    assert prefer_own_language({"one": 0.4, "two": 0.8}, held, "es") == {"one": 0.4, "two": 0.8}
    assert prefer_own_language({}, {}, "es") == {}
