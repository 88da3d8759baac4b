"""What of a document is written: spans and places of its passages, and the words that it is found by."""

import pytest

from servers.bridge.manifest.upsert_plan import Location, attributes_hash, plan
from tools.schema import Document, Place

pytestmark = pytest.mark.pure
WHERE = Location("default", "notes", "notes__1", "v")


def test_a_document_whose_file_gave_its_title_is_found_by_the_words_in_it() -> None:
    [row] = plan(Document(id="a", title="InformeAnual_utf16le", text="Nada más."), None, [], WHERE).rows
    assert {"anual", "utf", "16"} <= set(row.tokens.split())


def test_a_title_of_several_words_stays_as_it_is() -> None:
    [row] = plan(Document(id="a", title="JavaScript básico", text="Nada más."), None, [], WHERE).rows
    assert "java" not in row.tokens.split()


def test_pages_that_are_others_change_a_document_and_moved_text_does_not() -> None:
    def at(*places: Place) -> str:
        return attributes_hash(Document(id="a", text="Uno. Dos.", places=list(places)))

    assert at(Place(start=0, page=1)) == at(Place(start=3, page=1))
    assert at(Place(start=0, page=1)) != at(Place(start=0, page=2))


def test_what_is_stored_of_a_passage_has_only_what_it_has() -> None:
    places = [Place(start=0, sheet="Tarifa", rows=(2, 9))]
    [row] = plan(Document(id="a", text="# T\r\n\r\nUno.", places=places), None, [], WHERE).rows
    assert row.whereabouts == {"headings": ["T"], "span": [5, 9], "sheet": "Tarifa", "rows": [2, 9]}
