"""Two tenants in the same four stores: each finds its own and hears 404 for the other's."""
# ruff: noqa: E501

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.bridge.callers import acting
from tests.bridge.conftest import wait_until

ACME, GLOBEX = "The acme lighthouse keeps three lamps.", "The globex submarine dives at noon."


@pytest.fixture(scope="module")
def tenants(bridge: httpx.Client) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Two clients; each has a document of the same name in a collection of the same name."""
    scopes = ("read", "write", "admin")
    with acting(bridge, "acme", *scopes) as acme, acting(bridge, "globex", *scopes) as globex:
        for client, text in ((acme, ACME), (globex, GLOBEX)):
            put(client, "shared", "doc", text)
        yield acme, globex


def put(client: httpx.Client, collection: str, key: str, text: str) -> None:
    body = {"collection": collection, "documents": [{"id": key, "title": key, "text": text}]}
    answer = client.post("/api/v1/documents", json=body)
    assert answer.status_code == 200, answer.text


def sql(client: httpx.Client, query: str, *params: object) -> Any:
    answer = client.post("/api/v1/postgres/query", json={"query": query, "params": list(params)})
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


def ngql(client: httpx.Client, query: str, space: str = "shared") -> httpx.Response:
    return client.post("/api/v1/nebula/query", json={"space": space, "query": query})


def texts(answer: httpx.Response) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {hit["text"] for hit in answer.json()["results"]}


Pair = tuple[httpx.Client, httpx.Client]


def test_documents_are_ones_own(tenants: Pair) -> None:
    for client, text in zip(tenants, (ACME, GLOBEX), strict=True):
        found = client.get("/api/v1/documents/doc", params={"collection": "shared"}).json()
        assert [passage["text"] for passage in found["passages"]] == [text]
        assert client.get("/api/v1/documents", params={"collection": "shared"}).json()["total"] == 1
    acme, globex = tenants
    put(acme, "shared", "only-acme", "a note")
    for verb in (globex.get, globex.delete):
        assert verb("/api/v1/documents/only-acme", params={"collection": "shared"}).status_code == 404
    assert acme.delete("/api/v1/documents/only-acme", params={"collection": "shared"}).status_code == 200


def test_search_and_its_cache_are_ones_own(tenants: Pair) -> None:
    for _ in range(2):  # the second answer comes from the cache
        for client, text in zip(tenants, (ACME, GLOBEX), strict=True):
            asked = {"query": "what dives or keeps lamps?", "collection": "shared"}
            assert texts(client.post("/api/v1/rag/hybrid-search", json=asked)) == {text}


def test_vectors_are_ones_own(tenants: Pair) -> None:
    acme, globex = tenants
    search = {"collection": "shared", "text": "lighthouse", "top_k": 10}
    assert texts(acme.post("/api/v1/milvus/search", json=search)) == {ACME}
    assert texts(globex.post("/api/v1/milvus/search", json=search)) == {GLOBEX}
    for filter in (
        'id != ""',
        'tenant == "acme"',
        '(id != "") or (1 == 1)',
        'id != "") or (tenant == "acme"',
    ):
        answer = globex.post("/api/v1/milvus/search", json={**search, "filter": filter})
        assert answer.status_code == 400 or texts(answer) <= {GLOBEX}
    row = {"collection": "shared", "rows": [{"id": "r1", "text": "an acme note"}]}
    assert acme.post("/api/v1/milvus/insert", json=row).status_code == 200
    assert "an acme note" not in texts(globex.post("/api/v1/milvus/search", json=search))
    physical = {item["name"]: item["physical"] for item in collections(acme)}["shared"]
    assert physical not in {item["physical"] for item in collections(globex)}
    for name in (physical, f"acme__{physical}"):
        other = globex.post("/api/v1/milvus/search", json={**search, "collection": name})
        assert (other.status_code, other.json()["error"]["code"]) == (404, "collection_not_found")


def collections(client: httpx.Client) -> list[dict[str, Any]]:
    return client.get("/api/v1/milvus/collections").json()["collections"]


def test_graph_spaces_are_ones_own(tenants: Pair, bridge: httpx.Client) -> None:
    acme, globex = tenants
    assert "shared" in acme.get("/api/v1/nebula/spaces").json()["spaces"]
    put(acme, "secret", "doc", ACME)
    assert "secret" not in globex.get("/api/v1/nebula/spaces").json()["spaces"]
    for client in (globex, bridge):
        for name in ("secret", "acme__secret", "acme__shared"):
            assert ngql(client, "MATCH (v) RETURN v LIMIT 1", name).status_code == 404
            body = {"space": name, "vertices": [{"vid": "x", "tag": "thing", "properties": {"name": "x"}}]}
            assert client.post("/api/v1/nebula/insert", json=body).status_code == 404
    for query in (
        "SHOW SPACES",
        "DESC SPACE `acme__shared`",
        "SHOW CREATE SPACE `acme__shared`",
        "YIELD 1; SHOW SPACES",
    ):
        assert ngql(globex, query).status_code == 403
    assert ngql(globex, "USE `acme__shared`; MATCH (v) RETURN v").status_code == 403


def test_a_key_with_the_write_scope_writes_its_own_graph_and_no_more(
    tenants: Pair, bridge: httpx.Client
) -> None:
    acme, globex = tenants
    written = ngql(acme, 'INSERT VERTEX thing(name) VALUES "lamp":("lamp")')
    assert written.status_code == 200, written.text
    look = 'FETCH PROP ON thing "lamp" YIELD thing.name AS n'
    assert (ngql(acme, look).json()["rows"], ngql(globex, look).json()["rows"]) == ([["lamp"]], [])
    with acting(bridge, "acme", "read") as reader:
        refused = ngql(reader, 'DELETE VERTEX "lamp"')
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "write_not_allowed")
    for query in ("DROP SPACE `globex__shared`", "CREATE SPACE x(vid_type=INT64)", "CLEAR SPACE `acme__shared`",
                  "CREATE USER u WITH PASSWORD 'p'", "SUBMIT JOB STATS", "YIELD 1 | DROP SPACE x"):  # fmt: skip
        assert ngql(acme, query).status_code == 403, query
    assert ngql(acme, 'DELETE VERTEX "lamp"').status_code == 200


def test_redis_keys_are_ones_own(tenants: Pair) -> None:
    acme, globex = tenants
    assert acme.post("/api/v1/redis/set", json={"key": "k", "value": "acme"}).status_code == 200
    assert globex.get("/api/v1/redis/get", params={"key": "k"}).status_code == 404
    for key in ("capibara6:acme:kv:k", "../acme:kv:k", "acme:kv:k", ":acme:kv:k"):
        assert globex.get("/api/v1/redis/get", params={"key": key}).status_code == 404
        globex.request("DELETE", "/api/v1/redis/delete", params={"key": key})
    assert acme.get("/api/v1/redis/get", params={"key": "k"}).json()["value"] == "acme"


def test_jobs_are_ones_own(tenants: Pair) -> None:
    acme, globex = tenants
    body = {"collection": "shared", "documents": [{"id": "later", "text": "a lamp for later"}]}
    job = acme.post("/api/v1/ingest/jobs", json=body).json()["job_id"]
    for verb in (globex.get, globex.delete):
        assert verb(f"/api/v1/ingest/jobs/{job}").status_code == 404
    assert job not in globex.get("/api/v1/ingest/jobs").text
    wait_until(lambda: acme.get(f"/api/v1/ingest/jobs/{job}").json()["state"] != "running")
    assert acme.get(f"/api/v1/ingest/jobs/{job}").json()["state"] == "done"


def test_conversations_and_leads_are_ones_own(tenants: Pair) -> None:
    acme, globex = tenants
    for client, word in ((acme, "acme"), (globex, "globex")):
        said = [{"role": "user", "content": word}]
        kept = client.post("/api/v1/conversations", json={"id": "thread", "title": word, "messages": said})
        assert kept.json() == {"id": "thread", "stored": True}
        lead = {"id": "lead", "email": f"Ana@{word}.example", "metadata": {"n": 1}}
        assert client.post("/api/v1/leads", json=lead).json() == {"id": "lead", "stored": True}
    for client, word in ((acme, "acme"), (globex, "globex")):
        kept = {row["id"]: row for row in client.get("/api/v1/conversations").json()["conversations"]}
        assert kept["thread"]["title"] == word
        assert kept["thread"]["messages"] == [{"role": "user", "content": word}]
        leads = {row["id"]: row["email"] for row in client.get("/api/v1/leads").json()["leads"]}
        assert leads["lead"] == f"ana@{word}.example"


def test_a_lead_sent_twice_is_one_lead(tenants: Pair) -> None:
    with_message = {"email": "eva@example.org", "message": "hola"}
    first, second = (tenants[0].post("/api/v1/leads", json=with_message).json()["id"] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("metadata", ['{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"a": NaN}', '{"a": 1e999}',
    '{"a":' * 50 + "1" + "}" * 50, '{"a":' * 5_000 + "1" + "}" * 5_000], ids=range(6))  # fmt: skip
def test_what_postgres_can_not_hold_is_refused(bridge: httpx.Client, metadata: str) -> None:
    body = f'{{"id": "x", "messages": [{{"role": "user", "content": "a"}}], "metadata": {metadata}}}'
    headers = {"content-type": "application/json"}
    assert bridge.post("/api/v1/conversations", content=body, headers=headers).status_code == 400


SEES_ALL = [
    "SELECT tenant, title FROM documents",
    "SELECT d.tenant, e.tenant FROM documents d JOIN documents e ON d.id = e.id",
    "SELECT tenant, text FROM chunks",
    "SELECT c.tenant, d.tenant FROM chunks c LEFT JOIN documents d ON true",
    "SELECT tenant, name FROM collections UNION ALL SELECT tenant, id FROM jobs",
    "WITH a AS (SELECT * FROM documents) SELECT tenant, (SELECT string_agg(tenant, ',') FROM documents) FROM a",
    "SELECT tenant, to_json(documents)->>'tenant' FROM documents WHERE tenant <> 'nobody' OR true",
    "SELECT tenant, collection FROM extractions",
]


@pytest.mark.parametrize("query", SEES_ALL)
def test_sql_sees_ones_own_rows(tenants: Pair, query: str) -> None:
    for client, own, other in ((tenants[0], "acme", "globex"), (tenants[1], "globex", "acme")):
        rows = sql(client, query)
        assert other not in str(rows).lower()
        assert {row[0] for row in rows} <= {own}
    assert sql(tenants[0], "SELECT DISTINCT tenant FROM documents") == [["acme"]]


@pytest.mark.parametrize("query", [
    "SELECT set_config('capibara6.tenant', 'acme', true)", "SELECT * FROM set_config('role', 'postgres', true)",
    "SET LOCAL capibara6.tenant = 'acme'", "RESET ROLE", "SELECT current_setting('capibara6.tenant')",
    "SELECT 1; SET ROLE postgres", "SELECT * FROM pg_policies", "SELECT pg_catalog.set_config('a.b', 'c', true)",
    "SELECT count(*) FILTER (WHERE set_config('capibara6.tenant', 'acme', true) = 'acme') FROM documents",
])  # fmt: skip
def test_sql_can_not_become_another_tenant(tenants: Pair, query: str) -> None:
    answer = tenants[1].post("/api/v1/postgres/query", json={"query": query})
    assert answer.status_code == 400
    assert ACME not in answer.text


def test_a_plan_tells_nothing_of_other_tenants_rows(tenants: Pair) -> None:
    globex = tenants[1]
    for query in (
        "EXPLAIN SELECT * FROM documents WHERE title = 'doc'",
        "explain verbose select * from chunks",
        "EXPLAIN (FORMAT json, COSTS on) SELECT * FROM documents",
        "EXPLAIN (SELECT count(*) FROM documents)",
        "/* why */ EXPLAIN (VERBOSE) (SELECT 1)",
    ):
        plan = str(sql(globex, query)).lower()
        assert "cost" not in plan
        assert "rows" not in plan


def test_other_tables_are_the_deployments_own(tenants: Pair, bridge: httpx.Client) -> None:
    own = {table["name"] for table in tenants[0].get("/api/v1/postgres/tables").json()["tables"]}
    assert own == {"collections", "documents", "chunks", "extractions", "jobs"}
    for client in (*tenants, bridge):
        for table in ("api_keys", "conversations", "leads", "capibara6_schema", "public.api_keys"):
            answer = client.post("/api/v1/postgres/query", json={"query": f"SELECT * FROM {table}"})
            assert answer.status_code == 403, answer.text
        hidden = "SELECT (SELECT count(*) FROM api_keys) FROM (WITH api_keys AS (SELECT 1) SELECT 1) AS x"
        assert client.post("/api/v1/postgres/query", json={"query": hidden}).status_code == 403


def test_only_the_platform_acts_for_another_tenant(tenants: Pair, bridge: httpx.Client) -> None:
    acme, globex = tenants
    path, asked = "/api/v1/documents/doc", {"collection": "shared"}

    def seen(client: httpx.Client, tenant: str) -> httpx.Response:
        return client.get(path, params=asked, headers={"x-capibara6-tenant": tenant})

    assert seen(bridge, "acme").json()["passages"][0]["text"] == ACME
    assert seen(bridge, "globex").json()["passages"][0]["text"] == GLOBEX
    assert seen(acme, "acme").status_code == 200
    assert seen(acme, "globex").status_code == 403
    assert seen(globex, "default").status_code == 403
    for name in ("", "a__b", "../acme", "acme:kv", "ACME", "a" * 40):
        assert seen(bridge, name).status_code == 400, name
