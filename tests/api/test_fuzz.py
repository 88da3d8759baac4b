"""Fault 25: whatever is sent, the answer is one of ours and never an internal error."""

import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PATHS = [
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/responses"),
    ("POST", "/v1/embeddings"),
    ("POST", "/threads"),
    ("POST", "/threads/search"),
    ("PATCH", "/threads/nobody"),
    ("POST", "/threads/nobody/history"),
    ("POST", "/threads/nobody/runs/wait"),
    ("POST", "/runs/wait"),
    ("POST", "/agents/search"),
    ("PUT", "/store/items"),
    ("POST", "/store/items/search"),
    ("POST", "/store/namespaces"),
    ("DELETE", "/store/items"),
]
FIELDS = [
    *("model", "messages", "stream", "metadata", "n", "temperature", "max_tokens", "stop", "thread_id"),
    *("prompt", "tools", "tool_choice", "response_format", "text", "tool_calls", "tool_call_id", "type"),
    *("input", "command", "config", "agent_id", "multitask_strategy", "namespace", "key", "value"),
    *(
        "limit",
        "offset",
        "prefix",
        "namespace_prefix",
        "filter",
        "before",
        "name",
        "role",
        "content",
        "question",
    ),
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**12, -1, 2**63, 2**64, 1e308, float("nan"), float("inf")]),
    st.text(max_size=40),
    st.sampled_from(["\x00", "\ud800", "../x", "a" * 300, "capibara6", "extractive", "user", "hola", "1-1"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5)
    ),
    max_leaves=12,
)
BODIES = st.one_of(
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8).map(json.dumps),
    VALUES.map(json.dumps),
    st.just('{"a":1,"a":2,"messages":[{"role":"user","content":"hola"}],"messages":3}'),
    st.binary(max_size=60),
)
HEADERS = {"content-type": "application/json", "last-event-id": "9" * 40}


@pytest.fixture(scope="module")
def client(api):
    with httpx.Client(base_url=api, timeout=30, trust_env=False) as client:
        yield client


def check(client: httpx.Client, method: str, path: str, body: bytes | str) -> None:
    raw = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    response = client.request(method, path, content=raw, headers=HEADERS)
    assert response.status_code < 500 or response.status_code == 501, (method, path, raw, response.text)
    if response.status_code >= 400:
        assert set(response.json()["error"]) == {"message", "type", "code", "param", "source"}


CALM = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=200, deadline=None, suppress_health_check=CALM)
@given(place=st.sampled_from(PATHS), body=BODIES)
def test_no_body_is_an_internal_error(client, knobs, place, body) -> None:
    method, path = place
    check(client, method, path, body)


@pytest.mark.soak
@settings(max_examples=10_000, deadline=None, suppress_health_check=CALM)
@given(place=st.sampled_from(PATHS), body=BODIES)
def test_no_body_is_an_internal_error_in_ten_thousand(client, knobs, place, body) -> None:
    method, path = place
    check(client, method, path, body)


@pytest.mark.parametrize(
    "path",
    [
        "/threads/{}",
        "/runs/{}",
        "/runs/{}/stream",
        "/agents/{}",
        "/v1/models/{}",
        "/v1/files/{}",
        "/v1/responses/{}",
    ],
)
@pytest.mark.parametrize(
    "name", ["x" * 2000, "%00", "%ff", "..%2f..%2f", "a%0d%0ab", "'; drop table runs", "🦫"]
)
def test_no_name_in_a_path_is_an_internal_error(client, knobs, path, name) -> None:
    check(client, "GET", path.format(name), b"")
