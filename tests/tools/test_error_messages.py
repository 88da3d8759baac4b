import pytest

from tools import errors
from tools.error_messages import SENTENCES, UNKNOWN, sentence

pytestmark = pytest.mark.pure


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
