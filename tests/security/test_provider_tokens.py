"""Bearer tokens of an OpenID Connect provider at every door: a small real one on a socket signs them."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI
from jwt.algorithms import RSAAlgorithm

from tests.security.people import SERVICES, Platform
from tests.serving import serving

KEY = rsa.generate_private_key(65537, 2048)
PATHS = {"bridge": "/api/v1/me", "speech": "/voices", "mcp": "/openapi.json"}


@pytest.fixture
def issuer(cooperative: Platform) -> Iterator[str]:
    url = cooperative.settings.oidc.issuer or ""
    app = FastAPI()

    @app.get("/.well-known/openid-configuration")
    async def document() -> Any:
        return {"issuer": url, "jwks_uri": f"{url}/keys"}

    @app.get("/keys")
    async def keys() -> Any:
        return {"keys": [{**RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "one"}]}

    with serving(app, urlsplit(url).port or 0):
        yield url


def token(issuer: str, **changes: Any) -> str:
    claims = {"iss": issuer, "aud": "page", "sub": "7-olga", "exp": int(time.time()) + 300}
    claims |= {"preferred_username": "olga", "groups": ["staff"], **changes}
    return jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "one"})


@pytest.mark.parametrize("service", SERVICES)
def test_a_providers_token_opens_every_door_and_no_other_does(
    cooperative: Platform,
    issuer: str,
    service: str,
) -> None:
    address = cooperative.url(service) + PATHS.get(service, "/v1/models")
    for changes, status in (
        ({}, 200),
        ({"aud": "another"}, 401),
        ({"exp": 1}, 401),
        ({"iss": "https://x"}, 401),
    ):
        bearer = {"authorization": f"Bearer {token(issuer, **changes)}"}
        assert httpx.get(address, headers=bearer, trust_env=False).status_code == status, changes


def test_the_bridge_knows_the_person_by_the_provider_and_lets_nobody_take_a_name(
    cooperative: Platform,
    issuer: str,
) -> None:
    def me(**changes: Any) -> httpx.Response:
        headers = {"x-api-key": token(issuer, **changes)}
        return httpx.get(f"{cooperative.url('bridge')}/api/v1/me", headers=headers, trust_env=False)

    olga = me().json()
    assert (olga["tenant"], olga["user"], olga["role"], olga["key_id"]) == (
        "default",
        "olga",
        "operator",
        "oidc",
    )
    assert me(sub="8-another").status_code == 401
    assert me(sub="9-ana", preferred_username="ana").status_code == 401
    assert me(sub="10-local", preferred_username="local").json()["user"] != "local"
    cooperative.bridge(lambda bridge: bridge.change_user("olga", tenant="default", disabled=True))
    time.sleep(cooperative.settings.access.cache_s + 0.2)
    assert me().status_code == 401
    cooperative.bridge(lambda bridge: bridge.change_user("olga", tenant="default", disabled=False))
