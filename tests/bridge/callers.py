"""Callers with keys of their own, for the tests of who may do what."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx


def new_key(admin: httpx.Client, tenant: str, *scopes: str, **more: Any) -> dict[str, Any]:
    body = {"tenant": tenant, "scopes": scopes or ["read"], **more}
    answer = admin.post("/api/v1/keys", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


@contextmanager
def acting(admin: httpx.Client, tenant: str, *scopes: str, **more: Any) -> Iterator[httpx.Client]:
    """A client with a new key, which is revoked at the end."""
    key = new_key(admin, tenant, *scopes, **more)
    headers = {"authorization": f"Bearer {key['key']}"}
    with httpx.Client(base_url=admin.base_url, headers=headers, timeout=60.0) as client:
        yield client
    admin.delete(f"/api/v1/keys/{key['id']}")


def raw(client: httpx.Client, target: str, *headers: tuple[str, str]) -> tuple[int, str]:
    """Status and body of a GET whose target and headers are sent as they are written."""
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port or 80, timeout=60)
    try:
        connection.putrequest("GET", target, skip_host=any(name == "Host" for name, _ in headers))
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def asked(client: httpx.Client, *headers: tuple[str, str]) -> int:
    """404 for who enters: there is no such key in Redis."""
    return raw(client, "/api/v1/redis/get?key=none", *headers)[0]
