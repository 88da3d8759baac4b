"""The four store doors through the real bridge: what they answer, refuse and never change."""
# ruff: noqa: E501

import base64
import json
import struct

import httpx
import pytest

from tests.bridge.clients.test_postgres_statement_check import BENIGN
from tests.bridge.conftest import Shelf


def sql(client: httpx.Client, query: str, *params: object, **options: object) -> httpx.Response:
    body = {"query": query, "params": list(params), **options}
    return client.post("/api/v1/postgres/query", json=body)


def test_questions_run(bridge: httpx.Client) -> None:
    refused = {}
    for query in BENIGN:
        params = ["a", 1] if "$1" in query else []
        answer = sql(bridge, query, *params)
        if answer.status_code != 200:
            refused[query] = answer.text
    assert refused == {}


def test_columns_have_names_and_types_and_params_are_bound(bridge: httpx.Client) -> None:
    answer = sql(bridge, "SELECT $1::text AS a, $2::int + 1 AS b, $3::jsonb AS c", "'; DROP", 41, {"k": [1]})
    assert answer.json() == {
        "columns": [
            {"name": "a", "type": "text"},
            {"name": "b", "type": "int4"},
            {"name": "c", "type": "jsonb"},
        ],
        "rows": [["'; DROP", 42, {"k": [1]}]],
        "row_count": 1,
        "truncated": False,
    }


def test_rows_are_capped_and_it_is_said(bridge: httpx.Client) -> None:
    answer = sql(bridge, "SELECT n FROM generate_series(1, 5000) AS n", max_rows=10).json()
    assert (answer["row_count"], answer["truncated"]) == (10, True)
    for count in (0, 199, 200, 201, 400):
        found = sql(bridge, "SELECT n FROM generate_series(1, $1::int) AS n", count, max_rows=200).json()
        assert (found["row_count"], found["truncated"]) == (min(count, 200), count > 200)
    wide = sql(bridge, "SELECT rpad('x', 10000, 'y') FROM generate_series(1, 5000)").json()
    assert wide["truncated"]
    assert len(json.dumps(wide)) < 6_000_000


def test_errors_carry_sqlstate_and_position_and_no_values(bridge: httpx.Client) -> None:
    error = sql(bridge, "SELECT nope FROM documents").json()["error"]
    assert (error["code"], error["source"]) == ("invalid_query", "postgres")
    assert error["message"] == "the statement failed (SQLSTATE 42703 at position 7)"
    secret = sql(bridge, "SELECT $1::int", "my secret value")
    assert (secret.status_code, "secret" in secret.text) == (400, False)


def test_private_tables_are_not_readable(bridge: httpx.Client) -> None:
    assert sql(bridge, "SELECT * FROM leads").status_code == 403
    names = {row["name"] for row in bridge.get("/api/v1/postgres/tables").json()["tables"]}
    assert {"documents", "chunks"} <= names
    assert not {"leads", "conversations"} & names


def test_a_statement_without_end_is_stopped_and_the_door_goes_on(bridge: httpx.Client) -> None:
    endless = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
    assert sql(bridge, endless).status_code == 413
    assert sql(bridge, "SELECT 1").status_code == 200


def test_nothing_of_one_query_is_left_for_the_next(bridge: httpx.Client) -> None:
    for _ in range(12):
        assert sql(bridge, "SELECT 1 / 0").status_code == 400
        assert sql(bridge, "SELECT 1").json()["rows"] == [[1]]


def test_milvus_takes_text_or_vector_and_names_what_is_wrong(shelf: Shelf) -> None:
    shelf.put(pool="The pool keeps three models loaded.")
    client, search = shelf.client, {"collection": shelf.name, "top_k": 1}
    path = "/api/v1/milvus/search"
    assert client.post(path, json={**search, "text": "models"}).json()["results"][0]["document_id"] == "pool"
    wrong = client.post(path, json={**search, "vector": [1, 2]})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "wrong_dimension")
    huge = client.post(path, json={**search, "vector": [1e308] * 384})
    assert (huge.status_code, huge.json()["error"]["param"]) == (400, "vector")
    assert (
        client.post(path, json={"collection": "nope", "text": "x"}).json()["error"]["code"]
        == "collection_not_found"
    )
    assert client.post(path, json={**search, "text": "x", "output_fields": ["tenant"]}).status_code == 400
    assert client.post(path, json={**search, "text": "x", "filter": 'tenant == "b"'}).status_code == 400
    row = {"collection": shelf.name, "rows": [{"id": "n1", "text": "a note about lighthouses"}]}
    assert client.post("/api/v1/milvus/insert", json=row).json() == {"inserted": 1}
    assert client.post(path, json={**search, "text": "lighthouses"}).json()["results"][0]["id"] == "n1"
    listed = client.get("/api/v1/milvus/collections").json()["collections"]
    assert shelf.name in {item["name"] for item in listed}


def test_nebula_binds_parameters_and_keeps_sessions_in_their_space(shelf: Shelf) -> None:
    shelf.put(pool="The pool keeps three models loaded.")
    body = {
        "space": shelf.name,
        "query": "YIELD $n + 1 AS n, $t AS t",
        "params": {"n": 41, "t": '"; DROP SPACE x'},
    }
    answer = shelf.client.post("/api/v1/nebula/query", json=body).json()
    assert (answer["columns"], answer["rows"]) == (["n", "t"], [[42, '"; DROP SPACE x']])
    missing = shelf.client.post("/api/v1/nebula/query", json={"space": "unmade", "query": "YIELD 1"})
    assert missing.status_code == 404
    assert shelf.name in shelf.client.get("/api/v1/nebula/spaces").json()["spaces"]
    moved = shelf.client.post("/api/v1/nebula/query", json={"space": shelf.name, "query": "USE other"})
    assert moved.status_code == 403


@pytest.mark.parametrize(
    "query",
    ["DROP SPACE other", 'YIELD 1 | DELETE VERTEX "x"', '$a = INSERT VERTEX t(n) VALUES "x":(1); YIELD 1'],
)
def test_nebula_query_never_writes(shelf: Shelf, query: str) -> None:
    shelf.put(pool="The pool keeps three models loaded.")
    refused = shelf.client.post("/api/v1/nebula/query", json={"space": shelf.name, "query": query})
    assert refused.status_code == 403, refused.text


def test_nebula_insert_quotes_what_it_is_given(shelf: Shelf) -> None:
    shelf.put(pool="The pool keeps three models loaded.")
    text = 'a "quoted" \\ value\nñ'
    body = {"space": shelf.name, "vertices": [{"vid": "x1", "tag": "thing", "properties": {"name": text}}]}
    assert shelf.client.post("/api/v1/nebula/insert", json=body).json() == {"inserted": 1}
    assert shelf.ngql('FETCH PROP ON thing "x1" YIELD thing.name AS n') == [[text]]
    bad = {"space": shelf.name, "vertices": [{"vid": "x", "tag": "a`b", "properties": {}}]}
    assert shelf.client.post("/api/v1/nebula/insert", json=bad).status_code == 400


def test_embeddings_speak_both_shapes(bridge: httpx.Client) -> None:
    ours = bridge.post("/api/v1/embeddings", json={"texts": ["a", "b"]}).json()
    assert len(ours["vectors"]) == 2
    assert abs(sum(value**2 for value in ours["vectors"][0]) - 1) < 1e-4
    openai = bridge.post("/api/v1/embeddings", json={"input": "a"}).json()
    # Numbers of eight bits are scaled by batch: what stands beside a text moves its vector a little.
    pairs = zip(openai["data"][0]["embedding"], ours["vectors"][0], strict=True)
    assert sum(one * other for one, other in pairs) > 0.99
    for wrong in ({"texts": []}, {"input": ""}, {}, {"texts": ["a"], "input": "b"}, {"texts": [1]}):
        assert bridge.post("/api/v1/embeddings", json=wrong).status_code == 400


def test_embedder_is_asked_for_by_name_and_its_vectors_packed(bridge: httpx.Client) -> None:
    named = {"input": ["a", "b"], "model": "all-MiniLM-L6-v2", "dimensions": 384}
    plain = bridge.post("/api/v1/embeddings", json=named).json()
    packed = bridge.post("/api/v1/embeddings", json={**named, "encoding_format": "base64"}).json()
    assert (plain["model"], packed["model"]) == ("minilm-l6-v2", "minilm-l6-v2")
    for one, other in zip(plain["data"], packed["data"], strict=True):
        numbers = struct.unpack("<384f", base64.b64decode(other["embedding"]))
        assert sum(x * y for x, y in zip(one["embedding"], numbers, strict=True)) > 0.99
    unknown = bridge.post("/api/v1/embeddings", json={"input": "a", "model": "nobody"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert "all-MiniLM-L6-v2" in unknown.json()["error"]["message"]
    shorter = bridge.post("/api/v1/embeddings", json={**named, "dimensions": 64})
    assert shorter.json()["error"]["param"] == "dimensions"


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"query": NaN}', b"\xff\xfe", b'{"query": "\\u0000"}', b'{"query":"x","top_k":1e400}',
    b'{"query":"x","top_k":"many"}', b'{"query":"' + b"x" * 40_000 + b'"}', b"[" * 10_000 + b"]" * 10_000, b'{"query":"\\ud800"}',
    b'{"query": "x", "unknown": 1}', b'{"query": ""}', b"null", b'{"query":"x","legs":[]}', b'{"query":"x","legs":["sql"]}'])  # fmt: skip
def test_malformed_searches_are_refused_in_our_shape(bridge: httpx.Client, body: bytes) -> None:
    answer = bridge.post(
        "/api/v1/rag/hybrid-search", content=body, headers={"content-type": "application/json"}
    )
    assert 200 <= answer.status_code < 500
    if answer.status_code != 200:
        assert set(answer.json()["error"]) == {"message", "type", "code", "param", "source"}


def test_health_tells_host_version_and_latency(bridge: httpx.Client) -> None:
    states = bridge.get("/health/detailed").json()
    assert all({"status", "host", "version", "latency_ms"} <= set(item) for item in states.values())
    assert bridge.get("/health").json()["status"] == "ok"


def test_a_stage_that_is_not_there_is_refused_and_not_skipped(shelf: Shelf) -> None:
    shelf.put(pool="The pool keeps three models loaded.")
    wanted = {"query": "models", "collection": shelf.name, "rerank": True}
    refused = shelf.client.post("/api/v1/rag/hybrid-search", json=wanted)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "rerank")
