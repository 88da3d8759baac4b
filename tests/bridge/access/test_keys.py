"""ApiKeys and scopes: who enters, by which header, over which path, and what is left in the logs."""
# ruff: noqa: E501

import json

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from servers.bridge.access.accounts import Accounts
from servers.bridge.access.audit import Audit
from servers.bridge.access.auth import Authenticator
from servers.bridge.access.keys import PREFIX
from servers.bridge.clients.postgres.client import Postgres
from tests.bridge.callers import acting, asked, new_key, raw
from tests.bridge.conftest import PLATFORM, wait_until
from tools.errors import StoreUnavailable, Unauthorized
from tools.sections import Access
from tools.settings import Settings

SCOPES = {
    ("POST", "/api/v1/rag/hybrid-search"): "read",
    ("POST", "/api/v1/embeddings"): "read",
    ("POST", "/api/v1/documents/differences"): "read",
    ("POST", "/api/v1/milvus/search"): "read",
    ("POST", "/api/v1/nebula/query"): "read",
    ("POST", "/api/v1/postgres/query"): "read",
    ("GET", "/api/v1/users"): "admin",
    ("POST", "/api/v1/users"): "admin",
    ("GET", "/api/v1/users/{person}/records"): "admin",
    ("DELETE", "/api/v1/users/{person}/records"): "admin",
    ("PATCH", "/api/v1/users/{name}"): "read",
    ("DELETE", "/api/v1/sessions/{session_id}"): "read",
    ("POST", "/api/v1/collections/{name}/reembed"): "operate",
    ("POST", "/api/v1/collections/{name}/reconcile"): "operate",
    ("POST", "/api/v1/identity"): "services",
    ("POST", "/api/v1/sessions"): "services",
    ("POST", "/api/v1/usage"): "services",
    ("GET", "/api/v1/keys"): "admin",
    ("POST", "/api/v1/keys"): "admin",
    ("DELETE", "/api/v1/keys/{key_id}"): "admin",
}
"""Of what is not said here, GET is read and the rest is write; `services` are the platform's own alone."""
ANYBODY = "/api/v1/me"


def test_a_key_opens_the_door_in_every_header_it_may_come_in(guarded: httpx.Client) -> None:
    for token in (PLATFORM, new_key(guarded, "acme")["key"]):
        forms = [
            [("x-api-key", token)],
            [("X-API-KEY", f" {token} ")],
            [("authorization", f"Bearer {token}")],
            [("authorization", f"bearer   {token}")],
            [("AUTHORIZATION", f"BEARER {token}")],
            [("authorization", f"Bearer {token}"), ("x-api-key", token)],
            [("x-api-key", token), ("x-api-key", token)],
            [("authorization", "Basic dTpw"), ("x-api-key", token)],
        ]
        assert [asked(guarded, *form) for form in forms] == [404] * len(forms)


def test_what_is_no_key_opens_nothing_and_reaches_no_database(guarded: httpx.Client) -> None:
    made = new_key(guarded, "acme")
    good, shape = made["key"], f"{PREFIX}{made['id']}-"
    wrong = [
        "", " ", "null", "x", PLATFORM[:-1], PLATFORM + "x", PLATFORM.upper(), good[:-1], good + "x", good.upper(),
        shape + "A" * 43, f"{PREFIX}{'0' * 16}-{'A' * 43}", "' OR 1=1 --", f"{shape}'; SELECT pg_sleep(1)--", "%0d%0aX: y",
        "../../health", "{}", "ñ", "A" * 65_536, PREFIX + "B" * 65_536, good + "A" * 65_536, good + "\t" + good, f"{good},{good}",
    ]  # fmt: skip
    for value in wrong:
        for header in (("x-api-key", value), ("authorization", f"Bearer {value}")):
            status, body = raw(guarded, "/api/v1/redis/get?key=none", header)
            assert (status, json.loads(body)["error"]["message"]) == (401, "a valid API key is needed"), (
                value[:99]
            )
    assert asked(guarded) == 401
    assert asked(guarded, ("authorization", f"Basic {good}")) == 401
    assert asked(guarded, ("authorization", good)) == 401
    assert asked(guarded, ("x-api-key", good), ("authorization", f"Bearer {PLATFORM}")) == 401
    assert asked(guarded, ("x-api-key", good), ("x-api-key", "other")) == 401
    assert raw(guarded, f"/api/v1/redis/get?key=a&api_key={good}")[0] == 401


def test_no_way_of_writing_a_path_opens_it(guarded: httpx.Client) -> None:
    routes = [
        "/api/v1/keys",
        "/api/v1/documents",
        "/api/v1/leads",
        "/metrics",
        "/openapi.json",
        "/health/detailed",
    ]
    tricks = [
        "{r}", "/{r}", "{r}/", "{r}//", "//{r}", "/health/..{r}", "/health{r}", "{r}/health", "{r}/../health",
        "/health/live/../..{r}", "/health%2f..{r}", "/%2e%2e{r}", "/./{r}", "{r};/health", "/health;{r}", "{r}?/health",
        "{r}#/health", "{r}%00/health", "/HEALTH{r}", "{r}/ready", "/health/ready/..{r}", "\\..{r}",
    ]  # fmt: skip
    hosts = [(), (("Host", "x/health?a="),), (("Host", "127.0.0.1/health"),)]
    opened = []
    for route in routes:
        for written in (route, route.upper(), route.replace("a", "%61")):
            for target in [trick.format(r=written) for trick in tricks] + [f"http://x/health{written}"]:
                opened += [
                    (target, host) for host in hosts if raw(guarded, target, *host)[0] not in (400, 401, 421)
                ]
    assert opened == []
    assert raw(guarded, "/health/live")[0] == 200


def test_each_operation_asks_for_its_scope_and_names_it(guarded: httpx.Client) -> None:
    paths = guarded.get("/openapi.json").json()["paths"]
    operations = [(method.upper(), path) for path, item in paths.items() for method in item]
    with (
        acting(guarded, "acme", "write", "admin") as no_read,
        acting(guarded, "acme", "read", "admin") as no_write,
        acting(guarded, "acme", "read", "write") as no_admin,
    ):
        clients = {"read": no_read, "write": no_write, "operate": no_write, "admin": no_admin}
        clients["services"] = no_admin
        wrong = {}
        for method, path in operations:
            if not path.startswith("/api/") or path == ANYBODY:
                continue
            needed = SCOPES.get((method, path), "read" if method == "GET" else "write")
            answer = clients[needed].request(method, path.replace("{", "").replace("}", ""))
            said = answer.json()["error"]
            if (answer.status_code, said["code"]) != (403, "forbidden") or needed not in said["message"]:
                wrong[method, path] = answer.text
        assert wrong == {}


def test_only_a_digest_of_a_key_is_kept(guarded: httpx.Client, stores: Settings) -> None:
    made = new_key(guarded, "acme", "read")
    with psycopg.connect(stores.postgres_dsn) as connection:
        rows = connection.execute("SELECT row_to_json(k)::text FROM api_keys k").fetchall()
    kept = [row[0] for row in rows]
    assert any(made["id"] in row for row in kept)
    assert not any(made["key"].split("-")[2] in row for row in kept)
    listed = guarded.get("/api/v1/keys").text
    assert made["id"] in listed
    assert made["key"] not in listed


def test_a_revoked_key_dies_in_every_replica(guarded: httpx.Client, bridge: httpx.Client) -> None:
    made = new_key(bridge, "acme")
    header = ("x-api-key", made["key"])
    assert asked(bridge, header) == 404
    wait_until(lambda: asked(guarded, header) == 404)
    assert bridge.delete(f"/api/v1/keys/{made['id']}").status_code == 200
    assert asked(bridge, header) == 401
    wait_until(lambda: asked(guarded, header) == 401)
    assert bridge.delete(f"/api/v1/keys/{made['id']}").json()["error"]["code"] == "key_not_found"


def test_on_loopback_without_a_key_of_the_platform_nobody_is_asked_for_one(bridge: httpx.Client) -> None:
    assert asked(bridge) == 404
    assert asked(bridge, ("authorization", "Bearer sk-anything")) == 404
    assert asked(bridge, ("authorization", f"Bearer {PREFIX}{'0' * 16}-{'A' * 43}")) == 401


def test_an_admin_sees_to_the_keys_of_its_own_tenant(guarded: httpx.Client) -> None:
    foreign = new_key(guarded, "globex")
    with acting(guarded, "acme", "admin") as alone:
        assert alone.post("/api/v1/keys", json={"scopes": ["admin", "read"]}).status_code == 403
        assert alone.post("/api/v1/users", json={"name": "eva", "role": "admin"}).status_code == 403
    with acting(guarded, "acme", "read", "admin") as admin:
        own = new_key(admin, "acme", "read")
        assert {key["tenant"] for key in admin.get("/api/v1/keys").json()["keys"]} == {"acme"}
        assert (
            admin.get("/api/v1/keys", params={"tenant": "globex"}).json() == admin.get("/api/v1/keys").json()
        )
        assert admin.delete(f"/api/v1/keys/{foreign['id']}").status_code == 404
        assert admin.post("/api/v1/keys", json={"tenant": "globex", "scopes": ["read"]}).status_code == 403
        generous = {"scopes": ["read"], "requests_per_minute": 10**6}
        assert admin.post("/api/v1/keys", json=generous).status_code == 403
        assert admin.delete(f"/api/v1/keys/{own['id']}").status_code == 200


@pytest.mark.parametrize(
    "body",
    [{}, {"scopes": []}, {"scopes": ["root"]}, {"scopes": ["read"], "tenant": "a__b"}, {"scopes": ["read"], "tenant": "A"},
     {"scopes": ["read"], "tenant": "a:b"}, {"scopes": ["read"], "tenant": "a" * 33}, {"scopes": ["read"], "tenant": ""},
     {"scopes": ["read"], "name": "a\x00b"}, {"scopes": ["read"], "concurrency": 0}, {"scopes": ["read"], "key": "mine"}],
)  # fmt: skip
def test_a_key_is_not_made_from_nonsense(guarded: httpx.Client, body: dict[str, object]) -> None:
    assert guarded.post("/api/v1/keys", json=body).status_code == 400


def test_limits_answer_429_with_what_is_left_and_when_to_come_back(guarded: httpx.Client) -> None:
    with acting(guarded, "acme", "read", "write", requests_per_minute=1, body_bytes=1_024) as client:
        first = client.get("/api/v1/redis/get", params={"key": "none"})
        assert first.headers["x-ratelimit-limit-requests"] == "1"
        assert first.headers["x-ratelimit-remaining-requests"] == "0"
        second = client.get("/api/v1/redis/get", params={"key": "none"})
        assert (second.status_code, second.json()["error"]["code"]) == (429, "rate_limited")
        assert int(second.headers["retry-after"]) >= 1
        assert second.headers["x-ratelimit-reset-requests"].endswith("s")
    with acting(guarded, "acme", "write", body_bytes=1_024) as client:
        large = client.post("/api/v1/redis/set", json={"key": "a", "value": "x" * 2_000})
        assert large.status_code == 413
    assert "x-ratelimit-limit-requests" not in guarded.get("/api/v1/jobs").headers


async def test_a_key_that_is_known_costs_no_query_and_a_sleeping_database_opens_nothing(
    stores: Settings,
) -> None:
    postgres = Postgres(stores.postgres_dsn, "test", deadline_s=10.0)
    accounts = Accounts(postgres, Access(cache_s=300))
    keys = accounts.keys
    guarded = stores.model_copy(update={"api_key": SecretStr(PLATFORM)})
    authenticator = Authenticator(guarded, lambda: accounts, Audit("INFO"))

    async def enter(token: str) -> str:
        scope = {"path": "/api/v1/jobs", "headers": [(b"x-api-key", token.encode())]}
        with await authenticator.admit(scope, dict(scope["headers"])):
            return scope["state"]["principal"].tenant

    try:
        token, _ = await keys.create("acme", ["read"])
        assert await enter(token) == "acme"
        calls = postgres.counters.calls
        assert [await enter(token) for _ in range(50)] == ["acme"] * 50
        assert postgres.counters.calls == calls
        postgres.breaker.trip()
        postgres.breaker.open_until += 60
        assert await enter(token) == "acme"
        keys.read_at = -float("inf")
        for key in (token, f"{PREFIX}{'0' * 16}-{'A' * 43}"):
            with pytest.raises(StoreUnavailable) as shut:
                await enter(key)
            assert shut.value.retry_after == 1
        assert postgres.counters.errors >= 2
        with pytest.raises(Unauthorized):
            await enter("no key of ours")
        assert await enter(PLATFORM) == "default"
    finally:
        await postgres.close()


def test_a_key_that_has_expired_opens_nothing(guarded: httpx.Client, stores: Settings) -> None:
    lasting, ending = new_key(guarded, "acme"), new_key(guarded, "acme", expires_in_days=30)
    assert lasting["expires_at"] is None and ending["expires_at"] > ending["created_at"]
    for made in (lasting, ending):
        wait_until(lambda made=made: asked(guarded, ("x-api-key", made["key"])) == 404)
    with psycopg.connect(stores.postgres_dsn, autocommit=True) as connection:
        connection.execute("UPDATE api_keys SET expires_at = now() WHERE id = %s", [ending["id"]])
    wait_until(lambda: asked(guarded, ("x-api-key", ending["key"])) == 401)
    wait_until(lambda: asked(guarded, ("x-api-key", lasting["key"])) == 404)
    body = {"tenant": "acme", "scopes": ["read"], "expires_in_days": 0}
    assert guarded.post("/api/v1/keys", json=body).status_code == 400
