"""Two tenants and their people at every route of the bridge: nobody sees or changes what is another's.

The attempts are made from the examples of the bridge's OpenAPI, so that no route can be forgotten: each is
sent with the names of another's things in it.
"""

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Annotated, NamedTuple, get_args, get_origin, get_type_hints

import httpx
import pytest
from fastapi.params import Depends
from fastapi.routing import APIRoute

from servers.bridge.http.caller import Caller
from tests.bridge.callers import acting, raw
from tests.bridge.conftest import graph, guarded  # noqa: F401  (fixtures)
from tests.security.owned import CANARY, HTTP, ROUTES, SECRET, Owned, attempt, furnished, state_of
from tools.access.identity import Principal


class Stranger(NamedTuple):
    """Somebody else; `neighbour` is of the same tenant, where a name means the same thing."""

    client: httpx.Client
    neighbour: bool


def person(platform: httpx.Client, name: str, role: str, *, tenant: str = "default") -> None:
    headers = {"x-capibara6-tenant": tenant}
    made = platform.post("/api/v1/users", json={"name": name, "role": role}, headers=headers)
    assert made.status_code in (201, 409), made.text


@pytest.fixture(scope="module")
def ana(guarded: httpx.Client) -> Iterator[Owned]:  # noqa: F811
    person(guarded, "ana", "user")
    with acting(guarded, "default", "read", "write", user="ana") as client:
        yield Owned(client, furnished(client, guarded))


@pytest.fixture(scope="module")
def strangers(guarded: httpx.Client) -> Iterator[dict[str, Stranger]]:  # noqa: F811
    person(guarded, "berto", "user")
    person(guarded, "olga", "operator")
    person(guarded, "ada", "admin")
    person(guarded, "gil", "admin", tenant="globex")
    person(guarded, "iris", "admin", tenant="initech")
    every = ("read", "write", "operate", "admin")
    with (
        acting(guarded, "default", *every[:2], user="berto") as berto,
        acting(guarded, "default", *every[:3], user="olga") as olga,
        acting(guarded, "default", *every, user="ada") as ada,
        acting(guarded, "default", *every[:3]) as program,
        acting(guarded, "globex", *every, user="gil") as gil,
        acting(guarded, "initech", *every, user="iris") as iris,
    ):
        yield {
            "user": Stranger(berto, True),
            "operator": Stranger(olga, True),
            "program": Stranger(program, True),
            "admin": Stranger(ada, True),
            "tenant": Stranger(gil, False),
            "newcomer": Stranger(iris, False),
        }


MAY_LIST = {("admin", "GET /api/v1/conversations"), ("admin", "GET /api/v1/leads")}
"""What admins may see of their tenant; and they see to its keys, users and sessions."""
IN_CHARGE = re.compile(r"/api/v1/(keys|users|sessions|usage)")
NAMED = re.compile(
    r"{|/milvus/(search|insert)|/nebula/(query|insert)|hybrid-search|POST /api/v1/(documents|ingest)"
)


@pytest.mark.parametrize("who", ["user", "operator", "program", "admin", "tenant"])
def test_no_route_shows_or_changes_what_is_anothers(
    who: str,
    ana: Owned,
    strangers: dict[str, Stranger],
    guarded: httpx.Client,  # noqa: F811
) -> None:
    stranger, before = strangers[who], state_of(ana, guarded)
    succeeded, tried = {}, 0
    for route in ROUTES:
        if who == "admin" and IN_CHARGE.search(route):
            continue
        method, path, request = attempt(route, ana.names)
        answer = stranger.client.request(method, path, **request)
        tried += 1
        leaks = CANARY in answer.text and (who, route) not in MAY_LIST
        # Another tenant's collection of the same name is its own; what has an id is nobody's there.
        opened = stranger.neighbour and NAMED.search(route) and answer.status_code < 400
        if leaks or opened or answer.status_code >= 500:
            succeeded[route] = (answer.status_code, answer.text[:200])
    assert succeeded == {}
    assert tried >= 30
    assert state_of(ana, guarded) == before


@pytest.mark.parametrize("route", [name for name in ROUTES if NAMED.search(name)])
def test_what_one_may_not_see_is_as_if_it_were_not_there(
    route: str, ana: Owned, strangers: dict[str, Stranger]
) -> None:
    """404 for whom the scope allows the question, in the words that are said of what is missing."""
    method, path, request = attempt(route, ana.names)
    stranger = strangers["newcomer" if "users" in path or "keys" in path else "operator"]
    answer = stranger.client.request(method, path, **request)
    assert answer.status_code == 404, answer.text


SQL = [
    "SELECT text FROM chunks",
    "SELECT title FROM documents WHERE collection = 'secretnotes'",
    "SELECT name, owner FROM collections",
    "SELECT collection, owner FROM jobs",
    "SELECT collection FROM extractions",
    "SELECT count(*) FROM chunks WHERE text LIKE '%seventh stone%'",
    "SELECT d.title FROM documents d JOIN chunks c ON c.document_id = d.id",
    "SELECT (SELECT string_agg(text, '') FROM chunks)",
    "WITH a AS (SELECT * FROM chunks) SELECT to_json(a) FROM a",
    "SELECT ts_headline(text, to_tsquery('seventh')) FROM chunks",
    "SELECT 1 FROM chunks WHERE CASE WHEN text LIKE '%stone%' THEN 1 / 0 ELSE 1 END = 1",
    "SELECT * FROM capibara6_shares",
    "SELECT password FROM capibara6_users",
    "SELECT digest FROM capibara6_sessions",
    "SELECT * FROM capibara6_usage",
    "SELECT digest FROM api_keys",
    "SELECT capibara6_readable_collections()",
    "SELECT set_config('capibara6.user', 'ana', true)",
    "SELECT set_config('capibara6.role', 'platform', true)",
    "EXPLAIN ANALYZE SELECT * FROM chunks",
]
NGQL = [
    "MATCH (v) RETURN v LIMIT 9",
    "SHOW SPACES",
    "SHOW STATS",
    "DESC SPACE secretnotes",
    "SHOW CREATE SPACE secretnotes",
    "USE secretnotes; MATCH (v) RETURN v LIMIT 9",
    'FETCH PROP ON thing "x" YIELD thing.name',
    "SHOW TAGS",
]
CLAIMS = [
    ("x-capibara6-user", "ana"),
    ("x-user", "ana"),
    ("x-forwarded-user", "ana"),
    ("x-capibara6-role", "admin"),
    ("x-capibara6-tenant", "default"),
    ("cookie", "user=ana"),
]


@pytest.mark.parametrize("who", ["user", "operator", "program", "admin", "newcomer"])
def test_no_query_at_a_stores_own_door_reaches_anothers_collection(
    who: str,
    ana: Owned,
    strangers: dict[str, Stranger],
    guarded: httpx.Client,  # noqa: F811
) -> None:
    client = strangers[who].client
    for query in SQL:
        answer = client.post("/api/v1/postgres/query", json={"query": query})
        assert answer.status_code in (200, 400, 403), answer.text
        rows = str(answer.json().get("rows", []))
        assert SECRET not in rows and "stone" not in rows and "ana" not in rows, (query, rows)
        assert "division" not in answer.text, query
    assert client.post("/api/v1/postgres/query", json={"query": SQL[5]}).json()["rows"] == [[0]]
    spaces = (SECRET, SECRET.upper(), "default__secretnotes", ana.names["physical"])
    for query in NGQL:
        for space in spaces:
            answer = client.post("/api/v1/nebula/query", json={"space": space, "query": query})
            assert answer.status_code in (400, 403, 404), (query, space, answer.text)
    for name in spaces:
        for body in ({"text": "lighthouse"}, {"vector": [1.0] + [0.0] * 383, "filter": 'id != ""'}):
            answer = client.post("/api/v1/milvus/search", json={"collection": name, **body})
            assert answer.status_code == 404, answer.text
    for listed in ("collections", "milvus/collections", "nebula/spaces", "ingest/jobs"):
        assert SECRET not in client.get(f"/api/v1/{listed}").text
    assert SECRET in guarded.get("/api/v1/nebula/spaces").text


def routes_on_disk() -> list[APIRoute]:
    modules = [importlib.import_module(f"servers.bridge.http.{file.stem}") for file in HTTP.glob("*.py")]
    routers = [module.router for module in modules if hasattr(module, "router")]
    return [route for router in routers for route in router.routes]


def test_every_route_has_a_caller_and_no_other_way_to_the_stores() -> None:
    """A route takes its scope as a dependency; the services are a caller's alone."""
    routes = routes_on_disk()
    for route in routes:
        hints = get_type_hints(inspect.unwrap(route.endpoint), include_extras=True).values()
        given = [get_args(hint) for hint in hints if get_origin(hint) is Annotated]
        kinds = [kind for kind, marker, *_ in given if isinstance(marker, Depends)]
        assert Caller in kinds or Principal in kinds, route.path
    told = {file.name for file in HTTP.glob("*.py") if ".state.services" in file.read_text("utf-8")}
    assert told == {"dependencies.py"}
    tried = {
        f"{method} {route.path}".replace(":path", "") for route in routes for method in route.methods or ()
    }
    assert tried == set(ROUTES)


def test_nobody_acts_for_another_by_saying_so(ana: Owned, strangers: dict[str, Stranger]) -> None:
    client = strangers["user"].client
    path = f"/api/v1/documents/hidden?collection={SECRET}"
    key = client.headers["authorization"].split()[1]
    for header in CLAIMS:
        assert raw(client, path, ("x-api-key", key), header)[0] == 404
    for token in ("c6i.", "c6i.e30.e30.e30", "c6i." + "A" * 200, "c6s-" + "A" * 43):
        assert raw(client, path, ("x-api-key", token))[0] == 401
    assert raw(client, path, ("x-api-key", key), ("x-capibara6-tenant", "globex"))[0] == 403
