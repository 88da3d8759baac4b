"""The glossary: both ways, by word or stem, several translations each."""

import pytest

from tools.text.glossary import PAIRS, translations
from tools.text.words import fold, root

pytestmark = pytest.mark.pure


def test_words_are_found_both_ways_and_in_any_form() -> None:
    assert {"key"} <= set(translations("clave", "es")) == set(translations("claves", "es"))
    assert {"clav", "llav"} <= set(translations("key", "en"))
    assert translations(root("keys", "en"), "en") == translations("key", "en")


def test_unknown_words_have_no_translation() -> None:
    assert translations("milvus", "es") == translations("clave", "en") == ()


def test_every_entry_is_folded_and_has_a_translation() -> None:
    entries = [entry.split() for entry in PAIRS.replace("\n", ";").split(";") if entry]
    assert all(len(entry) > 1 for entry in entries)
    assert fold(PAIRS) == PAIRS
    assert len({entry[0] for entry in entries}) == len(entries)
