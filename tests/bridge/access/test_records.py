"""What is held of a person is told whole, and erased from every store; what is others' stays."""

from typing import Any

import httpx
import pytest

from tests.bridge.access.test_people import as_person  # noqa: F401 - the same people
from tools.access.identity import LOCAL

ADDRESS = "quique+tienda@example.org"
RECORDS = f"/api/v1/users/{ADDRESS}/records"
FIELDS = {"email": ADDRESS.title()}


def found(client: httpx.Client, query: str, collection: str) -> list[str]:
    asked = {"query": query, "collection": collection}
    answer = client.post("/api/v1/rag/hybrid-search", json=asked)
    return [hit["document_id"] for hit in answer.json().get("results", [])]


def ingest(client: httpx.Client, collection: str, key: str, text: str, **more: Any) -> None:
    document = {"id": key, "title": key, "text": text, **more}
    answer = client.post("/api/v1/documents", json={"collection": collection, "documents": [document]})
    assert answer.json()["accepted"] == 1, answer.text


def said(client: httpx.Client, key: str, **more: Any) -> None:
    messages = [{"role": "user", "content": "¿Cuánto cuesta el azafrán?"}]
    answer = client.post("/api/v1/conversations", json={"id": key, "messages": messages, **more})
    assert answer.status_code == 200, answer.text


def test_what_a_visitor_left_is_told_and_erased_with_its_documents(guarded: httpx.Client) -> None:
    guarded.post("/api/v1/leads", json={"email": ADDRESS, "name": "Quique", "message": "Quiero azafrán."})
    guarded.post("/api/v1/leads", json={"email": "eva@example.org", "message": "Quiero pimentón."})
    said(guarded, "charla-quique", metadata=FIELDS)
    said(guarded, "charla-eva")
    for key in ("charla-quique", "charla-eva"):
        ingest(guarded, "charlas", key, "Azafrán de la Mancha.", source="conversation_logger")
    ingest(guarded, "contactos", "lead-1", "Quique pregunta por el azafrán.", metadata=FIELDS)
    told = guarded.get(RECORDS).json()["records"]
    assert {name: [row["id"] for row in rows] for name, rows in told.items() if name != "leads"} == {
        "conversations": ["charla-quique"],
        "documents": ["charla-quique", "lead-1"],
    }
    assert [row["message"] for row in told["leads"]] == ["Quiero azafrán."]
    assert "Quique pregunta" in {row["id"]: row["text"] for row in told["documents"]}["lead-1"]
    erased = guarded.delete(RECORDS).json()["erased"]
    assert erased == {"documents": 2, "leads": 1, "conversations": 1}
    assert found(guarded, "azafrán de la Mancha", "charlas") == ["charla-eva"]
    assert found(guarded, "azafrán", "contactos") == []
    assert "eva@example.org" in guarded.get("/api/v1/leads").text
    for again in (guarded.get(RECORDS), guarded.delete(RECORDS)):
        assert again.status_code == 404, again.text


def test_a_user_goes_and_the_knowledge_they_brought_for_all_stays(
    guarded: httpx.Client,
    as_person: Any,  # noqa: F811
) -> None:
    name = "nadia@example.org"
    made = {"name": name, "role": "operator", "password": "una frase larga y secreta"}
    assert guarded.post("/api/v1/users", json=made).status_code == 201
    opened = {"user": name, "password": made["password"], "agent": "Firefox"}
    token = guarded.post("/api/v1/sessions", json=opened).json()["token"]
    key = guarded.post("/api/v1/keys", json={"name": "de nadia", "scopes": ["read"], "user": name}).json()
    nadia = as_person(name, "operator")
    ingest(nadia, "paratodos", "guia", "La sala grande tiene proyector.")
    ingest(nadia, "denadia", "diario", "Hoy llovió en el huerto.")
    nadia.put("/api/v1/collections/denadia/shares", json={"shares": []})
    told = guarded.get(f"/api/v1/users/{name}/records").text
    assert "Hoy llovió" in told
    assert "proyector" not in told
    assert "argon2" not in told
    assert (
        guarded.delete(f"/api/v1/users/{name}/records").json()["erased"].items()
        >= {
            "users": 1,
            "sessions": 1,
            "keys": 1,
            "documents": 1,
        }.items()
    )
    for credential in (token, key["key"]):
        answer = httpx.get(f"{guarded.base_url}/api/v1/me", headers={"authorization": f"Bearer {credential}"})
        assert answer.status_code == 401, answer.text
    assert found(guarded, "¿qué sala tiene proyector?", "paratodos") == ["guia"]
    assert found(guarded, "huerto", "denadia") == []


@pytest.mark.parametrize("person", [LOCAL.user, "dos%20palabras"])
def test_the_deployment_itself_is_no_person(guarded: httpx.Client, person: str) -> None:
    assert guarded.delete(f"/api/v1/users/{person}/records").status_code == 400


def test_only_who_administers_may_ask(as_person: Any) -> None:  # noqa: F811
    for answer in (as_person("olga", "operator").get(RECORDS), as_person("olga").delete(RECORDS)):
        assert answer.status_code == 403, answer.text
