"""Callers with keys of their own, for the tests of who may do what."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx


def new_key(admin: httpx.Client, tenant: str, *scopes: str, **limits: int) -> dict[str, Any]:
    body = {"tenant": tenant, "scopes": scopes or ["read"], **limits}
    answer = admin.post("/api/v1/keys", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


@contextmanager
def acting(admin: httpx.Client, tenant: str, *scopes: str, **limits: int) -> Iterator[httpx.Client]:
    """A client with a new key, which is revoked at the end."""
    key = new_key(admin, tenant, *scopes, **limits)
    headers = {"authorization": f"Bearer {key['key']}"}
    with httpx.Client(base_url=admin.base_url, headers=headers, timeout=60.0) as client:
        yield client
    admin.delete(f"/api/v1/keys/{key['id']}")
