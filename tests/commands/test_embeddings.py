"""What doctor says of embedders: who has which, and what another would bring."""

import pytest

from servers.commands.embeddings import SHOWN, Collection, InUse, others_in_use

pytestmark = pytest.mark.pure

MANY = frozenset({"en", "es", "fr", "pt"})
LANGUAGES = {"multilingual-e5-small": MANY, "minilm-l6-v2": frozenset({"en"}), "other": MANY}


def used(*collections: Collection, default: str = "multilingual-e5-small") -> InUse:
    return InUse(default, LANGUAGES, collections)


def test_collections_of_another_embedder_are_named_with_what_reembed_brings() -> None:
    found = used(
        Collection("wiki", "minilm-l6-v2", 40),
        Collection("notes", "minilm-l6-v2", 2),
        Collection("new", "multilingual-e5-small", 7),
    )
    (english,) = others_in_use(found, es=False)
    (spanish,) = others_in_use(found, es=True)
    assert english.ok
    assert english.found == "minilm-l6-v2: notes, wiki · 42 passages"
    assert english.how.startswith("capibara6 reembed notes: would read Spanish and 2 more")
    assert spanish.found.endswith("42 pasajes")
    assert "español y 2 idiomas más" in spanish.how


def test_one_that_knows_the_same_languages_promises_nothing() -> None:
    (row,) = others_in_use(used(Collection("a", "other", 1)), es=False)
    assert row.how == ""


def test_an_embedder_that_is_not_here_is_broken_and_says_what_is_left() -> None:
    (row,) = others_in_use(used(Collection("old", "gone", 9)), es=False)
    assert row.ok is False
    assert row.found == "gone is not here, only words are found: old"
    assert row.how == "capibara6 reembed old"


def test_many_collections_are_counted() -> None:
    many = [Collection(f"c{number}", "minilm-l6-v2", 1) for number in range(SHOWN + 3)]
    (row,) = others_in_use(used(*many), es=False)
    assert row.found.startswith("minilm-l6-v2: c0, c1, c2, c3, c4 +3")


def test_the_default_embedder_alone_needs_no_row() -> None:
    assert not list(others_in_use(used(Collection("a", "multilingual-e5-small", 1)), es=False))
