"""Words that cross between Spanish and English: endings, spellings, everyday words."""

import pytest

from servers.bridge.text.cross_lingual import meanings, shared_meanings, translated_stems
from tools.text.words import stems

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    ("spanish", "english"),
    [
        ("nación", "nation"),
        ("velocidad", "velocity"),
        ("orgánica", "organic"),
        ("filosofía", "philosophy"),
        ("estructura", "structure"),
        ("famoso", "famous"),
        ("¿Cuántos años duró la guerra?", "war years"),
        ("puerto del servidor", "server port"),
    ],
)
def test_a_spanish_query_reaches_english_words(spanish: str, english: str) -> None:
    assert set(stems(english, "en")) <= set(translated_stems(spanish, "es", "en"))


@pytest.mark.parametrize(
    ("english", "spanish"),
    [("nations", "nación"), ("structure", "estructura"), ("loaded models", "modelos cargados")],
)
def test_an_english_query_reaches_spanish_words(english: str, spanish: str) -> None:
    assert set(stems(spanish, "es")) & set(translated_stems(english, "en", "es"))


def test_within_one_language_nothing_is_guessed() -> None:
    assert translated_stems("la nación", "es", "es") == stems("la nación", "es")


def test_a_sentence_shares_most_with_its_translation_whichever_comes_first() -> None:
    said = meanings("El río cruza la ciudad vieja en 2 horas.", "es")
    same = meanings("In 2 hours the river crosses the old city.", "en")
    other = meanings("The church has a tower of 90 metres.", "en")
    assert shared_meanings(said, same) == shared_meanings(same, said) > 0.5
    assert shared_meanings(said, other) == 0
    assert shared_meanings(said, meanings("The", "en")) == 0
