"""Two people and two tenants through the doors of API, MCP, speech and pool: nobody reaches another's."""

import asyncio
import itertools
import json
from typing import Any

import httpx
import pytest

from tests.mcp.conftest import client
from tests.security.people import CANARY, Platform
from tools.clients.mcp import open_mcp
from tools.errors import Unauthorized

INTRUDERS = ("beto", "rosa", "opal")
RECALL = "¿Qué he dicho sobre mi contraseña?"


def question(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": "capibara6", "messages": [{"role": "user", "content": text}], **fields}


def run_of(text: str, **fields: Any) -> dict[str, Any]:
    return {"agent_id": "capibara6", "input": {"question": text}, **fields}


@pytest.fixture(scope="module")
def hers(cooperative: Platform) -> dict[str, str]:
    """What ana has made: a thread with a run that remembers, a run without one, an item; opal's flow run."""
    with cooperative.client("api", "ana") as ana:
        made = ana.post("/threads", json={"thread_id": "plan", "metadata": {"secreto": CANARY}})
        assert made.status_code == 200, made.text
        fact = run_of(f"Recuerda que mi contraseña es {CANARY}")
        run = ana.post("/threads/plan/runs/wait", json=fact)
        assert run.status_code == 200, run.text
        loose = ana.post("/runs", json=run_of(f"Recuerda que mi contraseña es {CANARY}")).json()
        ana.get(f"/runs/{loose['run_id']}/wait")
        item = {"namespace": ["casa"], "key": "llave", "value": {"texto": CANARY}}
        assert ana.put("/store/items", json=item).status_code == 204
        history = ana.get("/threads/plan/history").json()
        assert CANARY in json.dumps(history)
    with cooperative.client("api", "opal") as opal:
        started = opal.post("/webhook/health", json={}, headers={"idempotency-key": "una"})
        assert started.status_code == 202, started.text
    return {
        "run": run.json()["run"]["run_id"],
        "loose": loose["run_id"],
        "flow": started.json()["run_id"],
        "checkpoint": history[0]["checkpoint"]["checkpoint_id"],
    }


def attempts(hers: dict[str, str]) -> list[tuple[str, str, Any]]:
    """Every verb on every thing of hers: `(method, path, body)`. All are 404 for others."""
    runs = [f"/runs/{hers['run']}", f"/runs/{hers['loose']}", f"/threads/plan/runs/{hers['run']}"]
    verbs = [("GET", ""), ("GET", "/stream"), ("POST", "/cancel"), ("DELETE", "")]
    tries: list[tuple[str, str, Any]] = [
        (method, path + rest, None) for path, (method, rest) in itertools.product(runs, verbs)
    ]
    tries += [
        *[("GET", path, None) for path in (f"/runs/{hers['run']}/wait", f"/runs/{hers['loose']}/wait")],
        ("GET", f"/threads/plan/runs/{hers['run']}/join", None),
        ("GET", "/threads/plan", None),
        ("PATCH", "/threads/plan", {"metadata": {"x": 1}}),
        ("DELETE", "/threads/plan", None),
        ("GET", "/threads/plan/state", None),
        ("GET", "/threads/plan/history", None),
        ("POST", "/threads/plan/history", {"limit": 5}),
        ("POST", "/threads/plan/history", {"before": hers["checkpoint"]}),
        ("POST", "/threads/plan/copy", None),
        ("GET", "/threads/plan/runs", None),
        ("POST", "/threads/plan/runs", run_of("hola")),
        ("POST", "/threads/plan/runs/wait", run_of("hola")),
        ("POST", "/threads/plan/runs/stream", run_of("hola")),
        ("POST", "/threads/plan/runs/wait", {"agent_id": "capibara6", "command": {"resume": True}}),
        ("GET", "/threads/default%2Fana%2Fplan", None),
        ("DELETE", "/threads/default%2Fana%2Fplan", None),
        ("GET", "/store/items?namespace=casa&key=llave", None),
    ]
    return tries


def searches() -> list[tuple[str, str, Any]]:
    """What answers 200 and must hold nothing of hers."""
    me = {"user": "ana", "owner": "ana", "tenant": "default"}
    return [
        ("POST", "/threads/search", {}),
        ("POST", "/threads/search", {"metadata": {"secreto": CANARY}}),
        ("POST", "/store/items/search", {}),
        ("POST", "/store/items/search", {"namespace_prefix": ["casa"]}),
        ("POST", "/store/namespaces", {}),
        ("POST", "/v1/chat/completions", question(RECALL)),
        ("POST", "/v1/chat/completions", question(RECALL, metadata={"user": "ana"}, user="ana")),
        ("POST", "/v1/chat/completions", question(RECALL, metadata=me)),
        ("POST", "/v1/chat/completions", question("¿Qué dije?", thread_id="plan")),
        ("POST", "/v1/chat/completions", question(RECALL, metadata={"thread_id": "plan"})),
        ("POST", "/runs/wait", run_of(RECALL, config={"configurable": {"user": "ana"}})),
        ("POST", "/runs/wait", run_of(RECALL, metadata=me)),
        ("PUT", "/store/items", {"namespace": ["casa"], "key": "llave", "value": {"texto": "mío"}}),
        ("DELETE", "/store/items", {"namespace": ["casa"], "key": "llave"}),
    ]


def test_nobody_sees_or_changes_what_another_made(cooperative: Platform, hers: dict[str, str]) -> None:
    tried, succeeded = 0, []
    for name in INTRUDERS:
        with cooperative.client("api", name) as client:
            for method, path, body in attempts(hers):
                answer = client.request(method, path, json=body)
                tried += 1
                if answer.status_code != 404 or CANARY in answer.text:
                    succeeded.append((name, method, path, answer.status_code, answer.text[:200]))
            for method, path, body in searches():
                answer = client.request(method, path, json=body)
                tried += 1
                asked_by_them = json.dumps(body).count(CANARY)
                if answer.status_code >= 500 or answer.text.count(CANARY) > asked_by_them:
                    succeeded.append((name, method, path, answer.status_code, answer.text[:200]))
    assert succeeded == []
    assert tried >= 100
    with cooperative.client("api", "ana") as ana:
        assert ana.get("/store/items?namespace=casa&key=llave").json()["value"] == {"texto": CANARY}
        assert ana.get("/threads/plan").json()["metadata"]["secreto"] == CANARY
        assert CANARY in ana.post("/v1/chat/completions", json=question(RECALL)).text


def test_a_thread_of_the_same_name_is_another_thread(cooperative: Platform, hers: dict[str, str]) -> None:
    with cooperative.client("api", "rosa") as rosa:
        rosa.delete("/threads/plan")  # her own, if she has talked there
        made = rosa.post("/threads", json={"thread_id": "plan", "metadata": {"de": "rosa"}})
        assert made.json()["thread_id"] == "plan"
        assert rosa.get("/threads/plan").json()["metadata"] == {"de": "rosa"}
        assert rosa.delete("/threads/plan").status_code == 204
    with cooperative.client("api", "ana") as ana:
        assert ana.get("/threads/plan").status_code == 200


def test_the_platform_sees_the_threads_of_its_tenant(cooperative: Platform, hers: dict[str, str]) -> None:
    with cooperative.client("api", "platform") as client:
        assert client.get("/threads/plan").json()["metadata"]["secreto"] == CANARY
        assert client.get(f"/runs/{hers['run']}").status_code == 200
        headers = {"x-capibara6-tenant": "huerta"}
        assert client.get("/threads/plan", headers=headers).status_code == 404
        assert client.get(f"/runs/{hers['run']}", headers=headers).status_code == 404
    with cooperative.client("api", "ana") as ana:
        assert ana.get("/threads/plan", headers={"x-capibara6-tenant": "huerta"}).status_code == 403


def test_flows_are_started_by_operators_and_act_for_them(cooperative: Platform, hers: dict[str, str]) -> None:
    asked = cooperative.flows.runs[hers["flow"]]
    assert asked["job_variables"]["env"]["CAPIBARA6_ACT_AS"] == "default/opal/operator"
    assert "by:default/opal" in asked["tags"]
    assert f"request:{asked['job_variables']['env']['CAPIBARA6_REQUEST_ID']}" in asked["tags"]
    assert not [value for value in cooperative.keys.values() if value in json.dumps(asked)]
    with cooperative.client("api", "opal") as opal:
        assert opal.get(f"/api/runs/{hers['flow']}").status_code == 200
    for name in ("ana", "rosa"):
        with cooperative.client("api", name) as client:
            assert client.post("/webhook/health", json={}).status_code == 403
            assert client.get(f"/api/runs/{hers['flow']}").status_code == 404
    with cooperative.client("api", "platform") as client:
        again = client.post("/webhook/health", json={}, headers={"idempotency-key": "una"}).json()
        assert again["run_id"] != hers["flow"]
        assert "CAPIBARA6_ACT_AS" not in cooperative.flows.runs[again["run_id"]]["job_variables"]["env"]


async def test_tools_of_mcp_act_for_who_calls_them(cooperative: Platform, hers: dict[str, str]) -> None:
    for name, knows in (("ana", True), ("beto", False), ("rosa", False)):
        async with open_mcp(cooperative.settings.mcp_url, api_key=cooperative.keys[name]) as mcp:
            told = await mcp.call("ask_agent", question=RECALL)
            assert (CANARY in str(told.structured_content)) is knows, name
    async with open_mcp(cooperative.settings.mcp_url, api_key=cooperative.keys["ana"]) as mcp:
        found = await mcp.call("search_knowledge", query="¿cuándo se riega la huerta?")
        assert found.structured_content["passages"]
    async with open_mcp(cooperative.settings.mcp_url, api_key=cooperative.keys["rosa"]) as mcp:
        found = await mcp.call("search_knowledge", query="¿cuándo se riega la huerta?")
        assert found.is_error or found.structured_content["passages"] == []


async def test_an_mcp_tool_that_only_reads_can_not_write_with_a_key_that_may(
    cooperative: Platform,
) -> None:
    insert = 'INSERT VERTEX entity(name) VALUES "x":("y")'
    async with open_mcp(cooperative.settings.mcp_url, api_key=cooperative.keys["ana"]) as mcp:
        refused = await mcp.call("query_graph", query=insert)
        attack = await mcp.call("query_sql", query="DELETE FROM documents")
    assert refused.is_error and "write_not_allowed" in str(refused.content)
    assert attack.is_error


async def test_what_one_ingests_through_mcp_is_heard_read_and_seen_by_its_owner_alone(
    cooperative: Platform,
) -> None:
    watched = "capibara6://collections/nidos/documents"
    text = {"text": "La cigüeña anida en la torre.", "document_id": "aves/cigüeña", "collection": "nidos"}
    ana, beto = (cooperative.keys[name] for name in ("ana", "beto"))
    async with (
        client(cooperative.settings, key=ana, toolsets="all") as mcp,
        mcp.listen(resource_subscriptions=[watched], resources_list_changed=True) as events,
    ):
        written = await mcp.call_tool("ingest", text)
        heard = await asyncio.wait_for(anext(events), 30)
        read = await mcp.call_tool("read_document", {"document_id": "aves/cigüeña", "collection": "nidos"})
        listed = (await mcp.read_resource(watched)).contents[0]
        held = await mcp.call_tool("list_collections", {})
        claim = {"claim": "La cigüeña anida en la torre.", "collection": "nidos"}
        verdict = await mcp.call_tool("verify_claim", claim)
    assert (written.structured_content or {})["state"] == "written", written
    assert getattr(heard, "uri", watched) == watched
    assert (read.structured_content or {})["text"] == text["text"]
    assert "aves%2Fcig%C3%BCe%C3%B1a" in str(listed)
    assert "nidos" in [one["name"] for one in (held.structured_content or {})["collections"]]
    assert (verdict.structured_content or {})["verdict"] == "supported"
    async with client(cooperative.settings, key=beto) as mcp:
        refused = await mcp.call_tool("read_document", {"document_id": "aves/cigüeña", "collection": "nidos"})
        seen = await mcp.call_tool("list_collections", {})
    assert refused.is_error
    assert "nidos" not in [one["name"] for one in (seen.structured_content or {})["collections"]]


def test_an_mcp_session_is_no_key_and_a_401_says_how_to_get_in(cooperative: Platform) -> None:
    with cooperative.client("mcp", None) as nobody:
        headers = {"accept": "application/json, text/event-stream", "mcp-session-id": "1"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        refused = nobody.post("/mcp", json=body, headers=headers)
        assert refused.status_code == 401
        challenge = refused.headers["www-authenticate"]
        assert challenge.startswith('Bearer resource_metadata="')
        where = httpx.URL(challenge.partition('"')[2].rstrip('"'))
        told = nobody.get(where.path).json()
    assert told["resource"] == f"{cooperative.url('mcp')}/mcp"
    assert told["bearer_methods_supported"] == ["header"]
    assert set(told["scopes_supported"]) == {"read", "write", "operate", "admin"}


async def test_a_wrong_key_is_unauthorized_at_mcp(cooperative: Platform) -> None:
    with pytest.raises(Unauthorized):
        async with open_mcp(cooperative.settings.mcp_url, api_key="otra"):
            pass
