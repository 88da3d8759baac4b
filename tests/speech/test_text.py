import pytest

from servers.speech.text.markup import MAX_CHARS, speakable
from tools.errors import BadRequest, TooLarge

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("El **servidor** usa `vLLM` [1].", "El servidor usa vLLM."),
        ("# Título\nTexto", "Título.\nTexto"),
        ("- uno\n- dos", "uno.\ndos."),
        ("ver [la guía](http://a.b/c) y https://a.b/c?d=1.", "ver la guía y enlace."),
        ("antes\n```py\nprint(1)\n```\nfin", "antes\ncódigo omitido.\nfin"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b.\n\n1, 2."),
        ("Hola 👩‍🚀🚀 a 20 °C", "Hola a 20 °C"),
        ("\x1b[31mrojo\x1b[0m\x00\u202e", "rojo"),
        ("una <b>etiqueta</b> y 1 < 2", "una etiqueta y 1 < 2"),
        ("snake_case y _énfasis_", "snake_case y énfasis"),
    ],
)
def test_markup_is_not_read_aloud(written, heard):
    assert speakable(written, "es") == heard


def test_omitted_parts_are_named_in_the_language_of_the_voice():
    assert speakable("see https://a.b\n```\nx\n```", "en") == "see link\ncode omitted."


@pytest.mark.parametrize("silent", ["", "   ", "...", "😀🚀", "\x00\x01", "<br>", "---"])
def test_text_with_nothing_to_say_is_refused(silent):
    with pytest.raises(BadRequest) as refused:
        speakable(silent, "es")
    assert refused.value.code == "nothing_to_say"


def test_text_over_the_bound_is_too_large():
    with pytest.raises(TooLarge):
        speakable("a" * (MAX_CHARS + 1), "es")


@pytest.mark.parametrize(
    "nasty", ["[" * 9_999, "<a" * 4_999, "```" * 3_300, "# " * 4_999, "|" * 9_999, "_ " * 4_999]
)
def test_hostile_markup_ends(nasty):
    assert "palabra" in speakable(f"{nasty[:9_000]}\n\npalabra", "es") or "omitido" in speakable(nasty, "es")
