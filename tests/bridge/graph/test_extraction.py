"""What a model found in a document: linked like everything else, replaced, and gone with the document."""

from typing import Any

import httpx

from servers.bridge.graph.statements import thing_vertex
from tests.bridge.conftest import Shelf

ADA = {"title": "Ada", "text": "# Life\n\nShe wrote notes on the engine.\n\n# Death\n\nShe died in London."}
EXTRACTOR = "llm:phi4_fast:v1"


def document(shelf: Shelf, key: str = "ada") -> dict[str, Any]:
    return shelf.client.get(f"/api/v1/documents/{key}", params={"collection": shelf.name}).json()


def found(shelf: Shelf, *relations: tuple[str, str, str], **changes: Any) -> dict[str, Any]:
    """A body whose entities and relations are of the first passage."""
    held = document(shelf)
    chunk = held["passages"][0]["id"]
    names = {"Ada Lovelace": "person", "Analytical Engine": None}
    entities = [{"name": name, "kind": kind, "chunk_id": chunk} for name, kind in names.items()]
    said = [
        {"subject": one, "relation": relation, "object": two, "chunk_id": chunk}
        for one, relation, two in relations
    ]
    body = {"extractor": EXTRACTOR, "content_hash": held["content_hash"], "entities": entities}
    return {**body, "relations": said, **changes}


def put(shelf: Shelf, body: dict[str, Any], key: str = "ada") -> httpx.Response:
    path = f"/api/v1/documents/{key}/graph"
    return shelf.client.put(path, params={"collection": shelf.name}, json=body)


def related(shelf: Shelf, name: str = "ada lovelace") -> list[list[str]]:
    shown = "properties(edge).relation AS r, properties($$).name AS o"
    return sorted(shelf.ngql(f'GO FROM "{thing_vertex(name)}" OVER related YIELD {shown}'))


def version(shelf: Shelf) -> int:
    return shelf.put(ada=ADA)["collection_version"]


WROTE = ("Ada Lovelace", "wrote about", "Analytical Engine")


def test_what_a_model_found_is_in_the_graph_and_the_document_says_who_ran(shelf: Shelf) -> None:
    before = version(shelf)
    answer = put(shelf, found(shelf, WROTE))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["entities"], body["relations"], body["changed"]) == (2, 1, True)
    assert body["collection_version"] == before + 1
    assert related(shelf) == [["is a", "person"], ["wrote about", "analytical engine"]]
    assert document(shelf)["extractors"] == ["names:v1", EXTRACTOR]


def test_the_same_findings_again_change_nothing(shelf: Shelf) -> None:
    version(shelf)
    first = put(shelf, found(shelf, WROTE)).json()
    again = put(shelf, found(shelf, WROTE)).json()
    assert (again["changed"], again["collection_version"]) == (False, first["collection_version"])


def test_new_findings_replace_the_old_of_the_same_extractor_only(shelf: Shelf) -> None:
    version(shelf)
    put(shelf, found(shelf, WROTE))
    put(shelf, found(shelf, ("Ada Lovelace", "knew", "Babbage"), extractor="llm:other:v1", entities=[]))
    put(shelf, found(shelf, ("Ada Lovelace", "programmed", "Analytical Engine")))
    assert [row[0] for row in related(shelf)] == ["is a", "knew", "programmed"]


def test_what_was_read_before_a_change_is_refused(shelf: Shelf) -> None:
    version(shelf)
    late = found(shelf, WROTE)
    shelf.put(ada={**ADA, "text": "Something else."})
    answer = put(shelf, late)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "document_changed")


def test_unknown_documents_and_passages_are_404(shelf: Shelf) -> None:
    version(shelf)
    body = found(shelf)
    assert put(shelf, body, "nobody").json()["error"]["code"] == "document_not_found"
    body["entities"][0]["chunk_id"] = "elsewhere"
    answer = put(shelf, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "chunk_not_found")


def test_a_changed_document_loses_what_was_found_in_it(shelf: Shelf) -> None:
    version(shelf)
    put(shelf, found(shelf, WROTE))
    shelf.put(ada={**ADA, "text": ADA["text"].replace("London", "Marylebone")})
    assert related(shelf) == []
    assert document(shelf)["extractors"] == ["names:v1"]
    assert shelf.sql("SELECT count(*) FROM extractions WHERE collection = $1", shelf.name) == [[0]]


def test_other_attributes_do_not_cost_the_findings(shelf: Shelf) -> None:
    version(shelf)
    put(shelf, found(shelf, WROTE))
    shelf.put(ada={**ADA, "source": "elsewhere.md"})
    assert len(related(shelf)) == 2


def test_a_removed_document_takes_its_findings_along(shelf: Shelf) -> None:
    version(shelf)
    shelf.put(other={"title": "Engines", "text": "The Difference Engine came first."})
    put(shelf, found(shelf, WROTE))
    shelf.delete("ada")
    things = [row[0] for row in shelf.ngql("MATCH (v:thing) RETURN v.thing.name AS n LIMIT 99")]
    assert sorted(things) == ["difference engine", "engines"]
    assert shelf.sql("SELECT count(*) FROM extractions WHERE collection = $1", shelf.name) == [[0]]


def test_a_title_under_another_name_leads_to_its_document(shelf: Shelf) -> None:
    shelf.put(ada=ADA, engine={"title": "Analytical Engine", "text": "A machine of brass."})
    put(shelf, found(shelf, WROTE))
    chunk = document(shelf)["passages"][0]["id"]
    shown = "properties($$).mentioned AS n"
    assert shelf.ngql(f'GO FROM "{chunk}" OVER mentions YIELD {shown}') == [[1]]
