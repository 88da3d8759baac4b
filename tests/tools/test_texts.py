import pytest

from tools import errors
from tools.texts import SENTENCES, UNKNOWN, reason, sentence


def codes(kind=errors.Capibara6Error):
    return {kind.code}.union(*(codes(child) for child in kind.__subclasses__()))


def test_every_error_of_the_tree_has_its_own_sentence():
    assert codes() <= set(SENTENCES)


@pytest.mark.parametrize("code", SENTENCES)
def test_sentences_are_whole_and_differ_by_language(code):
    spanish, english = sentence(code, "es"), sentence(code, "en")
    assert spanish != english
    assert all(text[0].isupper() and text.endswith((".", ").")) for text in (spanish, english))


def test_an_unknown_code_gets_the_general_sentence_and_its_detail():
    assert sentence("brand_new", "es", "detalle") == f"{SENTENCES[UNKNOWN]['es']} (detalle)"


def test_routing_reasons_are_read_in_spanish_and_an_unknown_one_stays():
    served = "mistral_balanced is not available: extractive serves it"
    assert reason(served, "es") == "mistral_balanced no está disponible y responde extractive"
    assert reason("technical question", "es") == "pregunta técnica"
    assert reason(served, "en") == served
    assert reason("brand new reason", "es") == "brand new reason"
