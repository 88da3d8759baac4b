"""What ana owns at the bridge, and the requests of those who would like to have it: one a route, from the
examples of its OpenAPI."""

import copy
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml

HTTP = Path("servers/bridge/http")
EXAMPLES = yaml.safe_load((HTTP / "examples.yaml").read_text("utf-8"))
CANARY = "The lighthouse key lies under the seventh stone"
SECRET = "secretnotes"
GRAPH = "MATCH (v:chunk) RETURN id(v) AS passage LIMIT 500"
OPEN = {"/health", "/health/live", "/health/ready", "/health/detailed", "/metrics"}
ROUTES = [name for name in EXAMPLES if name.split()[1] not in OPEN]


QUESTION = {"query": "Where does the lighthouse key lie?", "collection": SECRET}
OVERWRITTEN = {"collection": SECRET, "documents": [{"id": "hidden", "text": "overwritten"}]}
BODIES: dict[str, dict[str, Any]] = {
    "POST /api/v1/rag/hybrid-search": QUESTION,
    "POST /api/v1/milvus/search": {"collection": SECRET, "text": "lighthouse key", "top_k": 5},
    "POST /api/v1/nebula/query": {"space": SECRET, "query": "MATCH (v) RETURN v LIMIT 100"},
    "POST /api/v1/postgres/query": {"query": "SELECT text FROM chunks"},
    "POST /api/v1/documents": OVERWRITTEN,
    "POST /api/v1/ingest/jobs": OVERWRITTEN,
    "POST /api/v1/collections": {"name": SECRET},
}
"""Where the example's words would find nothing of ana's."""


class Owned(NamedTuple):
    """What ana owns, and what a stranger could name of it."""

    client: httpx.Client
    names: dict[str, str]


def furnished(client: httpx.Client, platform: httpx.Client) -> dict[str, str]:
    """Give ana one of everything; by the name of a parameter or field, what it is called."""
    post = client.post
    document = {"id": "hidden", "title": "Hidden", "text": CANARY}
    assert post("/api/v1/documents", json={"collection": SECRET, "documents": [document]}).status_code == 200
    rows = [{"id": "row", "text": CANARY}]
    assert post("/api/v1/milvus/insert", json={"collection": SECRET, "rows": rows}).status_code == 200
    job = post("/api/v1/ingest/jobs", json={"collection": SECRET, "documents": [document]}).json()["job_id"]
    while client.get(f"/api/v1/ingest/jobs/{job}").json()["state"] == "running":
        time.sleep(0.05)
    said = [{"role": "user", "content": CANARY}]
    assert post("/api/v1/conversations", json={"id": "hilo-1", "messages": said}).status_code == 200
    lead = {"id": "lead", "email": "ana@example.org", "message": CANARY}
    assert post("/api/v1/leads", json=lead).status_code == 200
    assert post("/api/v1/redis/set", json={"key": "bench", "value": CANARY}).status_code == 200
    key = platform.post("/api/v1/keys", json={"scopes": ["read"], "user": "ana", "name": CANARY}).json()
    external = {"issuer": "https://id.example.org", "subject": "ana-1", "user": "anaext", "role": "user"}
    session = platform.post("/api/v1/sessions", json={"external": external}).json()["id"]
    physical = client.get("/api/v1/milvus/collections").json()["collections"][0]["physical"]
    assert CANARY in post("/api/v1/rag/hybrid-search", json=QUESTION).text  # and lies in the caches now
    return {
        "collection": SECRET,
        "space": SECRET,
        "document_id": "hidden",
        "id": "hidden",
        "job_id": job,
        "key_id": key["id"],
        "key": "bench",
        "session_id": session,
        "user": "ana",
        "physical": physical,
    }


def attempt(route: str, names: dict[str, str]) -> tuple[str, str, dict[str, Any]]:
    """Method, path and the rest of a request: the route's example, with ana's names in it."""
    method, path = route.split()
    example = copy.deepcopy(EXAMPLES[route] or {})
    given = {**example.get("parameters", {}), **names, "prefix": ["h"], "tenant": "default"}
    given["name"] = "ana" if "users" in path else SECRET
    given["id"] = [names["id"]]
    for name in re.findall(r"{(\w+)(?::path)?}", path):
        path = path.replace(f"{{{name}}}", str(given[name]))
    query = {name: given[name] for name in example.get("parameters", {}) if f"{{{name}}}" not in route}
    query.pop("limit", None)
    body: Any = BODIES.get(route, example.get("request"))
    if isinstance(body, dict):
        body |= {name: names[name] for name in set(body) & {"collection", "space", "key", "user"}}
    return method, path, {"params": query, **({"json": body} if body is not None else {})}


def state_of(ana: Owned, platform: httpx.Client) -> dict[str, Any]:
    """All that ana has, as she and the platform see it."""
    get, name = ana.client.get, {"collection": SECRET}
    users = {row["name"]: row for row in platform.get("/api/v1/users").json()["users"]}
    keys = [row for row in platform.get("/api/v1/keys").json()["keys"] if row["user"] == "ana"]
    sessions = platform.get("/api/v1/sessions", params={"user": "anaext"}).json()["sessions"]
    collections = {row["name"]: row for row in get("/api/v1/collections").json()["collections"]}
    passages = ana.client.post("/api/v1/nebula/query", json={"space": SECRET, "query": GRAPH})
    assert passages.status_code == 200, passages.text
    return {
        "document": get("/api/v1/documents/hidden", params=name).json(),
        "documents": get("/api/v1/documents", params=name).json(),
        "collection": collections[SECRET],
        "shares": get(f"/api/v1/collections/{SECRET}/shares").json(),
        "jobs": get("/api/v1/ingest/jobs").json(),
        "conversations": get("/api/v1/conversations").json(),
        "leads": get("/api/v1/leads").json(),
        "value": get("/api/v1/redis/get", params={"key": "bench"}).json(),
        "graph": sorted(passages.json()["rows"]),
        "user": users["ana"],
        "keys": keys,
        "sessions": [row["id"] for row in sessions],
    }
