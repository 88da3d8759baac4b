"""The life of documents through the real bridge: written, found, changed, renamed, removed."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg

from servers.bridge.text.title_names import name_of
from tests.bridge.conftest import Shelf
from tools.settings import Settings

POOL = "The pool keeps at most three models loaded at once. It unloads one after 300 seconds."
GRAPH = "El servidor de grafos escucha en el puerto 9669 y habla nGQL."


def test_a_document_is_found_in_its_own_language_and_across(shelf: Shelf) -> None:
    report = shelf.put(pool=POOL, graph=GRAPH)
    assert (report["accepted"], report["failed"]) == (2, [])
    assert shelf.found("How many models are loaded at once?")[0] == "pool"
    assert shelf.found("¿En qué puerto escucha el grafo?")[0] == "graph"


def test_scores_are_in_the_unit_interval_and_legs_say_their_part(shelf: Shelf) -> None:
    shelf.put(pool=POOL, graph=GRAPH)
    answer = shelf.find("models loaded at once")
    best = answer["results"][0]
    assert 0.5 < best["score"] <= 1
    assert best["legs"]["dense"]["rank"] == best["legs"]["text"]["rank"] == 1
    assert answer["degraded"] == []


def test_a_question_about_nothing_here_scores_low(shelf: Shelf) -> None:
    shelf.put(pool=POOL, graph=GRAPH)
    assert shelf.find("best paella recipe with rabbit")["results"][0]["score"] < 0.35


def test_sending_the_same_again_changes_nothing(shelf: Shelf) -> None:
    first = shelf.put(pool=POOL)
    again = shelf.put(pool=POOL)
    assert (again["accepted"], again["unchanged"]) == (0, 1)
    assert again["collection_version"] == first["collection_version"]


def test_an_unreadable_document_is_named_and_the_rest_is_written(shelf: Shelf) -> None:
    report = shelf.put(good=POOL, empty="  \n ", binary="a\x00b")
    assert report["accepted"] == 1
    assert {item["id"] for item in report["failed"]} == {"empty", "binary"}
    assert shelf.listed() == ["good"]


def test_a_changed_document_is_found_as_it_is_now(shelf: Shelf) -> None:
    shelf.put(pool=POOL)
    shelf.put(pool="The bridge is the only door to the four databases.")
    assert "door" in shelf.find("door to databases")["results"][0]["text"]
    assert "three models" not in str(shelf.find("three models loaded"))


def test_only_the_changed_part_of_a_document_gets_new_passages(shelf: Shelf) -> None:
    shelf.put(page="# One\n\nFirst part.\n\n# Two\n\nSecond part.")
    query = "SELECT id, text FROM chunks WHERE collection = $1"
    before = dict((text, key) for key, text in shelf.sql(query, shelf.name))
    shelf.put(page="# One\n\nFirst part.\n\n# Two\n\nSecond part, changed.")
    after = dict((text, key) for key, text in shelf.sql(query, shelf.name))
    assert before["First part."] == after["First part."]
    assert set(after) == {"First part.", "Second part, changed."}


def test_a_removed_document_leaves_no_trace_in_any_store(shelf: Shelf) -> None:
    shelf.put(pool={"title": "Pool of models", "text": POOL}, other=GRAPH)
    assert shelf.delete("pool").status_code == 200
    assert shelf.delete("pool").status_code == 404
    assert shelf.found("models loaded at once") == ["other"]
    assert shelf.sql("SELECT count(*) FROM chunks WHERE collection = $1", shelf.name) == [[1]]
    assert shelf.ngql("MATCH (v:document) RETURN v.document.title AS t LIMIT 9") == [[""]]


def test_a_write_makes_cached_answers_stale(shelf: Shelf) -> None:
    shelf.put(pool=POOL)
    assert shelf.find("models loaded")["cached"] is False
    assert shelf.find("models loaded")["cached"] is True
    shelf.put(more="Five models may be loaded in the larger machine.")
    fresh = shelf.find("models loaded")
    assert fresh["cached"] is False
    assert {hit["document_id"] for hit in fresh["results"]} == {"pool", "more"}


def test_one_document_sent_by_eight_at_once_exists_once(shelf: Shelf) -> None:
    shelf.put(seed="A first document makes the collection.")
    with ThreadPoolExecutor(8) as threads:
        reports = list(threads.map(lambda _: shelf.put(pool=POOL), range(8)))
    assert sum(report["accepted"] for report in reports) == 1
    assert shelf.sql(
        "SELECT count(*) FROM chunks WHERE document_id = $1 AND collection = $2", "pool", shelf.name
    ) == [[1]]
    hits = [hit for hit in shelf.find("models loaded", top_k=50)["results"] if hit["document_id"] == "pool"]
    assert len(hits) == 1


def test_a_renamed_document_keeps_its_vectors(shelf: Shelf) -> None:
    shelf.put(old=POOL)
    shelf.put(new=POOL)
    shelf.delete("old")
    assert shelf.found("models loaded at once") == ["new"]


def test_the_second_hop_is_found_through_a_title(shelf: Shelf) -> None:
    filler = {
        f"f{n}": {
            "title": f"Subject {n}",
            "text": f"The film of year {1900 + n} was shot near a river in town {n}.",
        }
        for n in range(30)
    }
    shelf.put(
        leland={
            "title": "Leland, North Carolina",
            "text": "Leland is a town. Parts of Maximum Overdrive were shot there.",
        },
        movie={
            "title": "Maximum Overdrive",
            "text": "A picture directed by Stephen King about machines that come alive.",
        },
        **filler,
    )
    answer = shelf.find("Who directed the film shot in Leland, North Carolina?", explain=True)
    assert [hit["document_id"] for hit in answer["results"][:2]] == ["leland", "movie"]
    walked = answer["results"][1]["legs"]["graph"]
    assert walked["path"] == ["Leland, North Carolina", "maximum overdr", "Maximum Overdrive"]
    assert walked["edge"] == "mentions"
    assert walked["sentence"] == "Parts of Maximum Overdrive were shot there."


def test_the_second_hop_is_found_through_a_name_that_is_no_title(shelf: Shelf) -> None:
    filler = {
        f"f{n}": {
            "title": f"Glory of town {n}",
            "text": f"The spouse of the director of bank {n} may jump a queue, it was said in {1900 + n}.",
        }
        for n in range(12)
    }
    shelf.put(
        film={
            "title": "Jump for Glory",
            "text": "Jump for Glory is a comedy. It was directed by Raoul Walsh. It was shot in London.",
        },
        wife={
            "title": "Miriam Cooper",
            "text": "Miriam Cooper was an actress and from 1916 the spouse of Raoul Walsh.",
        },
        **filler,
    )
    answer = shelf.find("Who is the spouse of the director of Jump for Glory?", explain=True)
    best = {hit["document_id"]: hit for hit in answer["results"][:2]}
    assert best.keys() == {"film", "wife"}
    walked = best["wife"]["legs"]["graph"]
    assert (walked["path"][1], walked["edge"]) == ("raoul walsh", "names")
    assert walked["sentence"] == "It was directed by Raoul Walsh."


def test_a_title_that_comes_later_is_linked_too(shelf: Shelf) -> None:
    shelf.put(leland={"title": "Leland", "text": "Parts of Maximum Overdrive were shot there."})
    shelf.put(movie={"title": "Maximum Overdrive", "text": "Directed by Stephen King."})
    (chunk,) = shelf.sql("SELECT id FROM chunks WHERE document_id = 'leland' AND collection = $1", shelf.name)
    shown = "properties($$).name AS n, properties($$).mentioned AS m"
    rows = shelf.ngql(f'GO FROM "{chunk[0]}" OVER mentions YIELD {shown}')
    assert rows == [[name_of("Maximum Overdrive", "en"), 1]]


def test_a_filter_narrows_and_can_not_widen(shelf: Shelf) -> None:
    shelf.put(
        pool={"text": POOL, "metadata": {"year": 2024}}, graph={"text": GRAPH, "metadata": {"year": 2026}}
    )
    assert shelf.found("puerto models", filter='metadata["year"] > 2025') == ["graph"]
    answer = shelf.client.post(
        "/api/v1/rag/hybrid-search",
        json={"query": "x", "collection": shelf.name, "filter": 'language == "es") or (1 == 1'},
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_filter")


def test_a_new_installation_answers_with_nothing_and_a_misspelt_name_with_404(bridge: httpx.Client) -> None:
    search = {"query": "anything", "collection": "no_such_collection"}
    answer = bridge.post("/api/v1/rag/hybrid-search", json=search)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "collection_not_found")


def test_a_job_tells_its_progress_and_its_failures(shelf: Shelf) -> None:
    documents = [{"id": f"d{n}", "text": f"Document number {n} about topic {n}."} for n in range(40)]
    body = {"collection": shelf.name, "wait": False, "documents": [*documents, {"id": "bad", "text": ""}]}
    started = shelf.client.post("/api/v1/documents", json=body)
    assert started.status_code == 202
    path = f"/api/v1/ingest/jobs/{started.json()['job_id']}"
    while (job := shelf.client.get(path).json())["state"] == "running":
        pass
    assert (job["state"], job["accepted"], job["done"], job["total"]) == ("done", 40, 41, 41)
    assert [item["id"] for item in job["failed"]] == ["bad"]
    assert shelf.client.get("/api/v1/ingest/jobs/none").status_code == 404


def test_a_document_can_be_read_back_with_its_passages(shelf: Shelf) -> None:
    shelf.put(**{"guia/modelos.md": {"title": "Guía", "text": "# A\n\nUno.\n\n# B\n\nDos."}})
    path = "/api/v1/documents/guia/modelos.md"
    found = shelf.client.get(path, params={"collection": shelf.name}).json()
    assert [passage["heading"] for passage in found["passages"]] == ["A", "B"]
    assert found["title"] == "Guía"


def test_a_listing_can_be_narrowed_to_ids_or_to_the_sources_of_documents(shelf: Shelf) -> None:
    shelf.put(
        **{
            "docs/a.md": POOL,
            "docs_b.md": GRAPH,
            "own": {"text": "A record of a file.", "metadata": {"origin": "docs/all.jsonl"}},
        }
    )

    def listed(**only: list[str]) -> tuple[list[str], int]:
        answer = shelf.client.get("/api/v1/documents", params={"collection": shelf.name, **only}).json()
        return [row["id"] for row in answer["documents"]], answer["total"]

    assert listed(id=["own", "docs/a.md", "docs/"]) == (["docs/a.md", "own"], 2)
    assert listed(prefix=["docs/"]) == (["docs/a.md", "own"], 2)
    assert listed(prefix=["docs_", "other/", "%"]) == (["docs_b.md"], 1)
    assert listed(prefix=["docs/"], id=["own"]) == (["own"], 1)


MANUAL = "# Bomba\n\nLa bomba gira a 900 vueltas.\n\n## Junta\n\nLa junta de la bomba aguanta 12 bares."


def whole(shelf: Shelf, document_id: str) -> dict[str, Any]:
    path = f"/api/v1/documents/{document_id}"
    return shelf.client.get(path, params={"collection": shelf.name}).json()


def test_a_passage_knows_its_page_its_headings_and_its_span_of_the_stored_text(shelf: Shelf) -> None:
    places = [{"start": 0, "page": 1}, {"start": MANUAL.index("## Junta"), "page": 2}]
    shelf.put(manual={"text": MANUAL.replace("\n", "\r\n"), "places": places})
    document = whole(shelf, "manual")
    assert document["text"] == MANUAL
    assert [MANUAL[slice(*passage["span"])] for passage in document["passages"]] == [
        passage["text"] for passage in document["passages"]
    ]
    hit = shelf.find("¿Cuántos bares aguanta la junta?")["results"][0]
    assert MANUAL[slice(*hit["span"])] == hit["text"] == "La junta de la bomba aguanta 12 bares."
    assert (hit["headings"], hit["page"], hit["sheet"], hit["rows"]) == (["Bomba", "Junta"], 2, None, None)


def test_rows_of_a_sheet_are_fields_of_a_hit(shelf: Shelf) -> None:
    table = "| pieza | precio |\n|---|---|\n| eje | 12 |"
    shelf.put(tarifa={"text": table, "places": [{"start": 0, "sheet": "Tarifa", "rows": [2, 2]}]})
    hit = shelf.find("precio del eje")["results"][0]
    assert (hit["sheet"], hit["rows"], hit["page"], hit["headings"]) == ("Tarifa", [2, 2], None, [])


def test_a_passage_that_only_moved_says_where_it_is_now(shelf: Shelf) -> None:
    shelf.put(manual={"text": MANUAL, "places": [{"start": 0, "page": 1}]})
    before = shelf.find("bares de la junta")["results"][0]
    longer = f"Un prólogo nuevo.\n\n{MANUAL}"
    shelf.put(manual={"text": longer, "places": [{"start": 0, "page": 1}]})
    after = shelf.find("bares de la junta")["results"][0]
    assert after["id"] == before["id"]
    assert longer[slice(*after["span"])] == after["text"]


def test_a_document_of_before_spans_were_kept_answers_null(shelf: Shelf, stores: Settings) -> None:
    shelf.put(manual=MANUAL)
    with psycopg.connect(stores.postgres_dsn, autocommit=True) as server:
        server.execute("UPDATE chunks SET whereabouts = NULL WHERE collection = %s", [shelf.name])
        server.execute("DELETE FROM capibara6_texts WHERE collection = %s", [shelf.name])
    document = whole(shelf, "manual")
    assert document["text"] is None
    assert [passage["span"] for passage in document["passages"]] == [None, None]
    assert shelf.find("bares de la junta")["results"][0]["span"] is None


def test_the_text_of_a_document_goes_with_it(shelf: Shelf, stores: Settings) -> None:
    shelf.put(manual=MANUAL)
    assert shelf.delete("manual").status_code == 200
    with psycopg.connect(stores.postgres_dsn) as server:
        query = "SELECT count(*) FROM capibara6_texts WHERE collection = %s"
        assert server.execute(query, [shelf.name]).fetchone() == (0,)
