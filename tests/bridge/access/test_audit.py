"""What a request leaves behind: a line without its literals, a name in PostgreSQL, a number in the metrics."""
# ruff: noqa: E501

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
from pydantic import SecretStr

from tests.bridge.callers import asked, new_key
from tests.bridge.conftest import PLATFORM, wait_until
from tools.settings import Settings


def test_the_audit_names_everything_but_literals_and_secrets(guarded: httpx.Client, graph: Settings) -> None:
    canary = "canary-7c2e91"
    made = new_key(guarded, "acme", "read", "write")
    with httpx.Client(base_url=guarded.base_url, headers={"x-api-key": made["key"]}, timeout=60) as client:
        post = client.post
        query = f"SELECT '{canary}' AS a, $1::text AS b"
        answer = post("/api/v1/postgres/query", json={"query": query, "params": [canary]})
        assert answer.status_code == 200
        request = answer.headers["x-request-id"]
        assert post("/api/v1/postgres/query", json={"query": f"SELECT '{canary}"}).status_code == 400
        assert post("/api/v1/postgres/query", json={"query": f"SELECT '{canary}'::int"}).status_code == 400
        post(
            "/api/v1/nebula/query",
            json={"space": "none", "query": f'YIELD "{canary}" AS a', "params": {"p": canary}},
        )
        post("/api/v1/nebula/query", json={"space": "none", "query": f'YIELD "{canary}'})
        post("/api/v1/redis/set", json={"key": canary, "value": canary})
        client.get("/api/v1/redis/get", params={"key": canary})
        client.get(f"/api/v1/documents/{canary}")
        client.get(f"/{canary}")
        client.post(
            "/api/v1/milvus/search",
            json={"collection": "none", "text": canary, "filter": f'id == "{canary}"'},
        )
        client.post("/api/v1/leads", json={"email": f"{canary}@example.org"})
    log = (graph.log_dir / "bridge.log").read_text("utf-8")
    assert canary not in log
    assert made["key"].split("-")[2] not in log
    assert PLATFORM not in log
    lines = [json.loads(line) for line in log.splitlines() if f'"{request}"' in line]
    audited = [line for line in lines if line.get("logger") == "audit"]
    assert len(audited) == 1
    line = audited[0]
    assert (line["key"], line["tenant"], line["route"]) == (made["id"], "acme", "/api/v1/postgres/query")
    assert (line["status"], line["rows"], len(line["statement"])) == (200, 1, 16)
    assert line["ms"] > 0


def test_postgres_names_its_session_after_the_request(guarded: httpx.Client, stores: Settings) -> None:
    long = {"query": "SELECT count(*) FROM generate_series(1, 10000) a, generate_series(1, 3000) b"}
    named = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'capibara6 seen-in-postgres'"

    def ask() -> None:
        guarded.post("/api/v1/postgres/query", json=long, headers={"x-request-id": "seen-in-postgres"})

    with psycopg.connect(stores.postgres_dsn, autocommit=True) as watcher, ThreadPoolExecutor(1) as pool:

        def seen() -> bool:
            asking = pool.submit(ask)
            found = False
            while not found and not asking.done():
                row = watcher.execute(named).fetchone()
                found = row is not None and row[0] > 0
                time.sleep(0.02)
            asking.result()
            return found

        wait_until(seen)


def test_the_command_makes_lists_and_revokes_keys(guarded: httpx.Client, graph: Settings) -> None:
    changes = {"api_key": SecretStr(PLATFORM), "rag_url": str(guarded.base_url), "language": "en"}
    environment = graph.model_copy(update=changes).environment() | {"COLUMNS": "200"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "servers", "keys", *words]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    token = run("create", "--tenant", "initech", "--scope", "read", "--scope", "write").stdout.split()[0]
    assert asked(guarded, ("x-api-key", token)) == 404
    key_id = token.split("-")[1]
    assert key_id in run("list", "--tenant", "initech").stdout
    assert run("revoke", key_id).returncode == 0
    again = run("revoke", key_id)
    assert (again.returncode, "There is no key with that id." in again.stderr) == (1, True)
    assert asked(guarded, ("x-api-key", token)) == 401


def test_metrics_tell_of_each_store(guarded: httpx.Client) -> None:
    said = guarded.get("/metrics").text
    for store in ("milvus", "nebula", "postgres", "redis"):
        for name in ("store_calls_total", "store_errors_total", "store_seconds_sum", "store_breaker_open"):
            assert f'{name}{{store="{store}"}}' in said
