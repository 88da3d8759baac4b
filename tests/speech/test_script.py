"""Sentences, languages and SSML become lines to be spoken."""

import pytest

from servers.speech.text.script import Line, script
from servers.speech.text.sentences import MAX_CHARS, split
from tools.errors import BadRequest

pytestmark = pytest.mark.pure


def texts(text: str) -> list[str]:
    return [piece.text for piece in split(text)]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Uno. Dos. Tres.", ["Uno.", "Dos.", "Tres."]),
        ("¿Sí? ¡No! Quizá…", ["¿Sí?", "¡No!", "Quizá…"]),
        ("El Sr. López y la Dra. Gil llegan.", ["El Sr. López y la Dra. Gil llegan."]),
        ("Vive en EE. UU. desde 1990. Trabaja.", ["Vive en EE. UU. desde 1990.", "Trabaja."]),
        ("J. R. R. Tolkien wrote it. He did.", ["J. R. R. Tolkien wrote it.", "He did."]),
        ("Pi es 3.14 y ya. Fin.", ["Pi es 3.14 y ya.", "Fin."]),
        ("Título\n\nTexto", ["Título", "Texto"]),
        ("He said “go.” Then he left.", ["He said “go.”", "Then he left."]),
    ],
)
def test_sentences_end_where_people_pause(text: str, pieces: list[str]) -> None:
    assert texts(text) == pieces


def test_long_sentences_are_cut_and_nothing_is_lost() -> None:
    for text in ("palabra " * 500, "x" * 2_000, "una frase, con comas, " * 100):
        pieces = texts(text)
        assert max(map(len, pieces)) <= MAX_CHARS
        assert "".join(pieces).replace(" ", "") == text.replace(" ", "")


def test_the_first_piece_is_short() -> None:
    first = texts(
        "Este servidor habla en cuanto tiene la primera parte, y sigue con las otras, una tras otra."
    )[0]
    assert first == "Este servidor habla en cuanto tiene la primera parte, y sigue con las otras,"


def test_each_sentence_is_spoken_in_its_own_language() -> None:
    text = "El servidor contesta enseguida a todo el mundo. The server answers everybody at once. Ok."
    assert [line.language for line in script(text, "es")] == ["es", "en", "en"]


def test_the_pause_after_a_paragraph_is_longer_and_none_comes_at_the_end() -> None:
    pauses = [line.pause_s for line in script("Uno. Dos.\n\nTres.", "es")]
    assert pauses[1] > pauses[0] > pauses[2] == 0


def test_ssml_is_spoken_with_its_breaks_rates_and_readings() -> None:
    text = (
        '<speak>Hola <break time="700ms"/><prosody rate="slow">despacio</prosody> '
        '<emphasis level="strong">ya</emphasis> <say-as interpret-as="characters">ABC</say-as> '
        '<say-as interpret-as="ordinal">3</say-as> <sub alias="Organización">ONU</sub></speak>'
    )
    assert list(script(text, "es")) == [
        Line("Hola", "es"),
        Line("", "es", 0.7),
        Line("despacio", "es", 0, 0.75),
        Line("ya", "es", 0, 0.8),
        Line("A, B, C", "es"),
        Line("tercero", "es"),
        Line("Organización", "es"),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<speak>a", "ssml_invalid"),
        ("<speak>" + "<p>" * 500 + "a" + "</p>" * 500 + "</speak>", "ssml_invalid"),
        ('<speak><prosody rate="fastish">a</prosody></speak>', "ssml_invalid"),
        ('<speak><break time="soon"/>a</speak>', "ssml_invalid"),
        ('<speak><prosody pitch="high">a</prosody></speak>', "ssml_not_supported"),
        ('<speak><audio src="file:///etc/passwd"/>a</speak>', "ssml_not_supported"),
        ('<speak><say-as interpret-as="currency">5</say-as></speak>', "ssml_not_supported"),
        ('<speak><!DOCTYPE a [<!ENTITY b "c">]>a</speak>', "ssml_not_supported"),
        ("<speak><break/></speak>", "nothing_to_say"),
    ],
)
def test_ssml_that_is_not_understood_is_refused_with_the_reason(text: str, code: str) -> None:
    with pytest.raises(BadRequest) as refused:
        script(text, "es")
    assert refused.value.code == code
