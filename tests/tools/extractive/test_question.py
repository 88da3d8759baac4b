"""A question taken apart: what it is about, and what merely asks."""

import pytest

from tools.extractive.question import analyse_question

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("¿Hace falta una clave para abrir la red?", ("clave", "abrir", "red")),
        ("¿Dónde se llevó a cabo la reforma?", ("reforma",)),
        ("¿Cuándo se lleva a cabo la revisión?", ("revision",)),
        ("When does the general assembly take place?", ("general", "assembly")),
        ("¿Qué página dice lo que falta?", ("pagina", "dice", "falta")),
    ],
)
def test_a_verb_of_several_words_is_not_what_a_question_is_about(text: str, words: tuple[str, ...]) -> None:
    assert analyse_question(text).words == words
