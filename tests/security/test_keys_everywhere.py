"""Keys of tenants at every door: whose open, which do not, what they use, and the way of a request's id."""

import asyncio
import json
import time

import httpx
import pytest

from tests.security.people import Platform
from tests.security.test_owners_api import question


def test_keys_of_tenants_are_good_at_speech_and_at_the_pool(cooperative: Platform) -> None:
    ask = {"model": "extractive", "messages": [{"role": "user", "content": "hola"}]}
    for name, speaks in (("ana", 200), ("rosa", 200), (None, 401)):
        with cooperative.client("speech", name) as client:
            assert client.post("/tts", json={"text": "hola", "language": "es"}).status_code == speaks
        with cooperative.client("pool", name) as client:
            answer = client.post("/v1/chat/completions", json=ask)
            assert answer.status_code == speaks
            assert ("x-ratelimit-limit-requests" in answer.headers) is (speaks == 200)


def test_models_are_loaded_by_operators_alone(cooperative: Platform) -> None:
    for name, status in (("ana", 403), ("rosa", 403), ("opal", 501), (None, 401)):
        with cooperative.client("pool", name) as client:
            assert client.post("/v1/models/extractive/unload").status_code == status
            assert client.get("/stats").status_code == (200 if name == "opal" else status)


def test_what_a_house_taught_the_router_is_shown_to_its_operators_alone(cooperative: Platform) -> None:
    for name, status in (("ana", 403), ("rosa", 403), ("opal", 200), (None, 401)):
        with cooperative.client("pool", name) as client:
            assert client.get("/v1/route/feedback").status_code == status
            assert client.post("/v1/route/feedback/refit").status_code == status
            assert client.delete("/v1/route/feedback").status_code == status
    said = {"messages": [{"role": "user", "content": "hola"}], "signal": "up", "model": "extractive"}
    with cooperative.client("pool", "ana") as client:
        assert client.post("/v1/route/feedback", json=said).status_code == 200


@pytest.mark.parametrize("service", ["api", "pool", "speech", "mcp"])
def test_a_key_that_ends_is_refused_soon_after(cooperative: Platform, service: str) -> None:
    path = {"speech": "/voices", "mcp": "/openapi.json"}.get(service, "/v1/models")
    made = cooperative.bridge(lambda bridge: bridge.create_key(tenant="huerta", scopes=["read"]))
    headers = {"x-api-key": made["key"]}
    with httpx.Client(base_url=cooperative.url(service), headers=headers, trust_env=False) as client:
        assert client.get(path).status_code == 200
        cooperative.bridge(lambda bridge: bridge.revoke_key(made["id"]))
        time.sleep(cooperative.settings.access.cache_s + 0.2)
        assert client.get(path).status_code == 401


def test_who_is_disabled_is_refused_at_every_door(cooperative: Platform) -> None:
    cooperative.bridge(lambda bridge: bridge.add_user("iris", tenant="huerta"))
    made = cooperative.bridge(lambda bridge: bridge.create_key(tenant="huerta", user="iris", scopes=["read"]))
    headers = {"x-api-key": made["key"]}
    with httpx.Client(base_url=cooperative.url("api"), headers=headers, trust_env=False) as client:
        assert client.get("/agents").status_code == 200
        cooperative.bridge(lambda bridge: bridge.change_user("iris", tenant="huerta", disabled=True))
        time.sleep(cooperative.settings.access.cache_s + 0.2)
        assert client.get("/agents").status_code == 401


@pytest.mark.parametrize("service", ["api", "pool", "speech", "mcp"])
@pytest.mark.parametrize(
    "token",
    [
        "c6-",
        "c6-0123456789abcdef-" + "x" * 43,
        "c6i.",
        "c6i.eyJhbGciOiJub25lIn0.e30.",
        "llave",
        "eyJ.a.b",
    ],
)
def test_what_is_no_key_opens_nothing(cooperative: Platform, service: str, token: str) -> None:
    path = {"speech": "/voices", "mcp": "/openapi.json"}.get(service, "/v1/models")
    for headers in ({}, {"authorization": f"Bearer {token}"}, {"x-api-key": token}):
        answer = httpx.get(cooperative.url(service) + path, headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("service", ["api", "pool", "speech", "mcp"])
def test_two_different_keys_in_one_request_are_none(cooperative: Platform, service: str) -> None:
    path = {"speech": "/voices", "mcp": "/openapi.json"}.get(service, "/v1/models")
    both = {"authorization": f"Bearer {cooperative.keys['ana']}", "x-api-key": cooperative.keys["beto"]}
    assert httpx.get(cooperative.url(service) + path, headers=both, trust_env=False).status_code == 401


def test_a_day_of_a_key_ends_with_its_quota(cooperative: Platform) -> None:
    wanted = {"tenant": "huerta", "scopes": ["read"], "quota": {"requests": 2}}
    made = cooperative.bridge(lambda bridge: bridge.create_key(**wanted))
    headers = {"x-api-key": made["key"]}
    with httpx.Client(base_url=cooperative.url("api"), headers=headers, trust_env=False) as client:
        assert [client.get("/agents").status_code for _ in range(3)] == [200, 200, 429]
        refused = client.get("/agents")
    assert refused.json()["error"]["code"] == "quota_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 86_400


async def test_one_search_for_an_id_finds_a_question_s_whole_way(cooperative: Platform) -> None:
    name = "camino-7c1e"
    with cooperative.client("api", "ana") as ana:
        ask = question("¿En qué puerto escucha la API?")
        answer = ana.post("/v1/chat/completions", json=ask, headers={"x-request-id": name})
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-request-id"] == name
    await asyncio.sleep(0.2)
    for service in ("api", "pool", "bridge"):
        lines = [json.loads(line) for line in cooperative.log().splitlines() if name in line]
        audit = [line for line in lines if line["service"] == service and line.get("logger") == "audit"]
        assert audit, f"{service} has no line of {name}"
        assert {line["tenant"] for line in audit} == {"default"}
        assert all(line["request_id"] == name and line["status"] == 200 for line in audit)
    assert any(line.get("user") == "ana" for line in audit)


def test_the_id_of_a_trace_is_a_request_s_id(cooperative: Platform) -> None:
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    for service in ("api", "pool", "speech", "mcp"):
        headers = {"traceparent": f"00-{trace}-{span}-01"}
        answer = httpx.get(cooperative.url(service) + "/health/live", headers=headers, trust_env=False)
        assert answer.headers["x-request-id"] == trace


def test_what_somebody_used_is_known_at_the_bridge(cooperative: Platform) -> None:
    with cooperative.client("speech", "rosa") as rosa:
        assert rosa.post("/tts", json={"text": "buenos días", "language": "es"}).status_code == 200
    with cooperative.client("pool", "rosa") as rosa:
        ask = {"model": "extractive", "messages": [{"role": "user", "content": "hola"}]}
        assert rosa.post("/v1/chat/completions", json=ask).status_code == 200
    until, told = time.monotonic() + 30, []
    while time.monotonic() < until:
        with cooperative.client("bridge", "platform") as client:
            told = client.get("/api/v1/usage?group=user").json()["usage"]
        used = next((total for total in told if total["name"].endswith("rosa")), {})
        if used.get("audio_s") and used.get("tokens_in"):
            return
        time.sleep(0.5)
    raise AssertionError(f"the use of rosa did not arrive: {told}")


def test_no_key_is_in_a_log(cooperative: Platform) -> None:
    written = cooperative.log()
    assert '"logger":"audit"' in written
    assert not [name for name, key in cooperative.keys.items() if key in written]
