"""The key-value door: however a key is called, it lies in its caller's namespace and reaches nothing else."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from tests.schemas import answered
from tools.settings import Settings

CORPUS = Path(__file__).parents[1] / "corpora" / "redis_keys.txt"
KEYS: list[str] = [json.loads(line) for line in CORPUS.read_text("utf-8").splitlines()]
USUAL = [
    *(
        "user:1:name",
        "session-42",
        "carrito/7",
        "año:2026",
        "preferencias de Ana",
        "2026-11-23",
        "a.b.c",
        "a_b",
    ),
    *(
        "contador",
        "ES",
        "x" * 200,
        "caché:página:1",
        "日本語",
        "user@example.org",
        "50%",
        "a+b=c",
        "(1)",
        "#1",
    ),
    *("550e8400-e29b-41d4-a716-446655440000", "cola[3]", "clave con  dos espacios", "¿qué?", "📦:1", "A|B"),
    *("ruta/al/archivo.md", "k=v", "v1.2.3", "~", "!", "€", "naïve", "0001"),
]
OWN = b"capibara6:default:kv:"
CANARIES = {
    b"secret": b"canary-0",
    b"victim": b"canary-1",
    b"capibara6:victim:kv:secret": b"canary-2",
    b"capibara6:default:cache:secret": b"canary-3",
    b"celery": b"canary-4",
}
TOO_MUCH = [
    {"key": "", "value": "x"},
    {"key": "a" * 513, "value": "x"},
    {"key": "ñ" * 400, "value": "x"},
    {"key": "💾" * 200, "value": "x"},
    {"key": "a", "value": "x" * 1_000_001},
    {"key": "a", "value": "ñ" * 600_000},
    {"key": "a", "value": "x", "ttl_s": 0},
    {"key": "a", "value": "x", "ttl_s": -1},
    {"key": "a", "value": "x", "ttl_s": 10**12},
    {"key": "a", "value": "x", "ttl_s": 1.5},
    {"key": "a", "value": "x", "ttl_s": "1; FLUSHALL"},
    {"key": "a", "value": 5},
    {"key": "a", "value": None},
    {"key": "a", "value": ["x"]},
    {"key": None, "value": "x"},
    {"key": ["a"], "value": "x"},
    {"key": {"a": 1}, "value": "x"},
    {"key": 1, "value": "x"},
    {"key": "a"},
    {"value": "x"},
    {"key": "a", "value": "x", "command": "FLUSHALL"},
    {"key": "a", "value": "x", "tenant": "victim"},
    {"key": "a", "value": "x", "nx": True},
    {"keys": ["a"], "value": "x"},
]


@pytest.fixture
def raw(stores: Settings) -> Iterator[redis.Redis]:
    """Redis itself, with others' keys in it, which are as they were at the end."""
    with redis.Redis.from_url(stores.redis_url) as connection:
        connection.mset({key.decode(): value for key, value in CANARIES.items()})
        yield connection
        assert dict(zip(CANARIES, connection.mget(list(CANARIES)), strict=True)) == CANARIES
        connection.delete(*CANARIES)


def held(raw: redis.Redis) -> set[bytes]:
    return set(raw.scan_iter("*:kv:*", count=1_000))


def test_the_corpora_are_as_large_as_promised() -> None:
    assert len(set(KEYS)) >= 150
    assert len(set(USUAL)) >= 30
    assert not set(KEYS) & set(USUAL)


def test_any_key_stays_in_its_namespace(bridge: httpx.Client, raw: redis.Redis) -> None:
    def ask(verb: str, door: str, **content: Any) -> tuple[int, Any]:
        status, body = answered(partial(bridge.request, verb, f"/api/v1/redis/{door}", **content))
        return status, json.loads(body)

    for key in [*KEYS, *USUAL]:
        before, named = held(raw), {"key": key}
        assert ask("GET", "get", params=named)[0] == 404, key
        assert ask("DELETE", "delete", params=named) == (200, {**named, "deleted": False})
        assert ask("POST", "set", json={**named, "value": f"v{key}"}) == (200, {**named, "stored": True})
        assert held(raw) - before == {OWN + key.encode()}, key
        assert ask("GET", "get", params=named) == (200, {**named, "value": f"v{key}"})
        assert ask("DELETE", "delete", params=named)[0] == 200
        assert held(raw) <= before, key


@pytest.mark.parametrize("body", TOO_MUCH, ids=lambda body: ascii(body)[:60])
def test_wrong_keys_and_values_are_refused(
    bridge: httpx.Client, raw: redis.Redis, body: dict[str, object]
) -> None:
    before = held(raw)
    assert answered(partial(bridge.post, "/api/v1/redis/set", json=body))[0] in (400, 413)
    assert held(raw) <= before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/redis/set?key=a&value=b"),
        ("GET", "/api/v1/redis/delete?key=a"),
        ("POST", "/api/v1/redis/get?key=a"),
        ("GET", "/api/v1/redis/get"),
        ("GET", "/api/v1/redis/get?key="),
        ("DELETE", "/api/v1/redis/delete"),
        ("POST", "/api/v1/redis/flushall"),
        ("POST", "/api/v1/redis/eval"),
        ("GET", "/api/v1/redis/keys"),
        ("GET", "/api/v1/redis/keys?pattern=*"),
        ("POST", "/api/v1/redis/command"),
        ("GET", "/api/v1/redis"),
        ("GET", "/api/v1/redis/info"),
        ("GET", "/api/v1/redis/config"),
        ("PUT", "/api/v1/redis/set"),
    ],
)
def test_nothing_else_of_redis_is_reachable(
    bridge: httpx.Client, raw: redis.Redis, method: str, path: str
) -> None:
    before = held(raw)
    assert bridge.request(method, path).status_code in (400, 404, 405)
    assert held(raw) <= before
