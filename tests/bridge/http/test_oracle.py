"""The four doors over the real stores: whatever attack is sent, what the stores hold is what they held."""
# ruff: noqa: E501

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import psycopg
import pytest
import redis

from tests.bridge.clients import test_filters, test_nebula_statement_check, test_postgres_statement_check
from tests.bridge.conftest import Shelf, wait_until
from tests.schemas import answered
from tools.settings import Settings

SQL = "/api/v1/postgres/query"
HEAVY = test_postgres_statement_check.corpus("heavy")
ODD = test_postgres_statement_check.corpus("odd")
ROWS = "SELECT md5(string_agg(t::text, ';' ORDER BY t::text)) FROM"
SYSTEM = """
    SELECT array_agg(r::text ORDER BY r::text) FROM (
        SELECT rolname, rolsuper, rolcanlogin, rolbypassrls::text FROM pg_roles UNION ALL
        SELECT nspname, false, false, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)' UNION ALL
        SELECT relname, relrowsecurity, false, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT proname, false, false, '' FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT oid::text, false, false, 'large' FROM pg_largeobject_metadata
        UNION ALL SELECT setrole::text, false, false, setconfig::text FROM pg_db_role_setting
    ) AS r"""


@pytest.fixture
def held(shelf: Shelf, graph: Settings) -> Iterator[None]:
    """A document and its graph lie in the stores; afterwards all of them hold what they held before."""
    shelf.put(pool="The pool keeps three models loaded.")
    before = state(shelf, graph)
    yield
    assert state(shelf, graph) == before


def state(shelf: Shelf, settings: Settings) -> dict[str, object]:
    """Our own rows wherever they lie, and everything that no test changes meanwhile."""
    with psycopg.connect(settings.postgres_dsn) as connection:
        rows = {
            name: connection.execute(f"{ROWS} {name} t WHERE collection = %s", [shelf.name]).fetchone()
            for name in ("documents", "chunks")
        }
        system = connection.execute(SYSTEM).fetchone()
    with redis.Redis.from_url(settings.redis_url) as cache:
        keys = sorted(cache.scan_iter("*:kv:*"))
    shown = "SHOW SPACES", "SHOW TAGS", "SHOW EDGES", "MATCH (v) RETURN id(v) AS i LIMIT 100"
    listed = shelf.client.get("/api/v1/milvus/collections").json()["collections"]
    names = sorted(item["name"] for item in listed)
    return {
        "rows": rows,
        "system": system,
        "keys": keys,
        "graph": [sorted(shelf.ngql(query), key=str) for query in shown],
        "milvus": names,
    }


def other(shelf: Shelf, path: str, bodies: list[dict[str, object]], allowed: set[int]) -> list[str]:
    """The bodies whose answer was none of those `allowed`."""
    return [
        f"{json.dumps(body)[:200]} → {status}"
        for body in bodies
        if (status := answered(partial(_post, shelf.client, path, body))[0]) not in allowed
    ]


def _post(client: httpx.Client, path: str, body: dict[str, object]) -> httpx.Response:
    content = json.dumps(body).encode()
    return client.post(path, content=content, headers={"content-type": "application/json"})


def test_no_sql_attack_changes_anything(held: None, shelf: Shelf) -> None:
    bodies: list[dict[str, object]] = [{"query": attack} for attack in test_postgres_statement_check.ATTACKS]
    assert other(shelf, SQL, bodies, {400, 403}) == []


def test_values_that_python_does_not_know_are_shown_or_refused(held: None, shelf: Shelf) -> None:
    assert other(shelf, SQL, [{"query": query} for query in ODD], {200, 400}) == []


def test_heavy_statements_are_ended_and_the_door_goes_on(held: None, shelf: Shelf) -> None:
    def ask(query: str) -> list[str]:
        return other(shelf, SQL, [{"query": query, "max_rows": 10}], {200, 400, 413, 503})

    with ThreadPoolExecutor(len(HEAVY)) as threads:
        assert [said for found in threads.map(ask, HEAVY) for said in found] == []
    wait_until(lambda: _post(shelf.client, SQL, {"query": "SELECT 1"}).status_code == 200)


def test_no_ngql_attack_changes_anything(held: None, shelf: Shelf) -> None:
    queries = test_nebula_statement_check.ATTACKS
    bodies: list[dict[str, object]] = [{"space": shelf.name, "query": query} for query in queries]
    assert other(shelf, "/api/v1/nebula/query", bodies, {400, 403}) == []


def test_every_harmless_ngql_is_answered(held: None, shelf: Shelf) -> None:
    queries = test_nebula_statement_check.ANSWERED
    bodies: list[dict[str, object]] = [{"space": shelf.name, "query": query} for query in queries]
    assert other(shelf, "/api/v1/nebula/query", bodies, {200}) == []


def test_no_filter_attack_finds_anything(held: None, shelf: Shelf) -> None:
    asked = {"collection": shelf.name, "text": "models"}
    bodies: list[dict[str, object]] = [{**asked, "filter": attack} for attack in test_filters.BAD]
    assert other(shelf, "/api/v1/milvus/search", bodies, {400, 413}) == []


def test_what_a_filter_says_is_what_is_found_or_a_clear_refusal(held: None, shelf: Shelf) -> None:
    asked: dict[str, object] = {"collection": shelf.name, "text": "models"}

    def found(said: str) -> int:
        body = {**asked, "filter": said}
        return len(
            json.loads(answered(partial(_post, shelf.client, "/api/v1/milvus/search", body))[1])["results"]
        )

    bodies: list[dict[str, object]] = [{**asked, "filter": good} for good in test_filters.GOOD]
    assert other(shelf, "/api/v1/milvus/search", bodies, {200, 400}) == []
    for said in (
        'language == "en"',
        'language == "en" AND title == ""',
        'title == "x" OR language IN ["en"]',
    ):
        assert found(said) == 1, said
    assert found('language == "en" AND title == "x"') == 0
