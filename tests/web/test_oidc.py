"""Bearer tokens of a provider: a small real one on a socket, whose keys and answers the tests change."""

import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import FastAPI, Response
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode

from servers.web.oidc import MAX_BYTES, RETRY_S, Provider, is_jwt, open_provider
from tests.ports import free_ports
from tests.serving import serving
from tools.errors import Forbidden, Unauthorized, Unavailable
from tools.sections import Oidc

RSA = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
WEAK = rsa.generate_private_key(65537, 1024)
CURVE = ec.generate_private_key(ec.SECP256R1())


@dataclass
class Issuer:
    """What the provider says of itself, and how often it was asked for its keys."""

    url: str
    keys: list = field(default_factory=list)
    called: str = ""
    answer: bytes | None = None
    asked: int = 0

    def app(self):
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        async def document():
            return {"issuer": self.called or self.url, "jwks_uri": f"{self.url}/keys"}

        @app.get("/keys")
        async def keys():
            self.asked += 1
            return {"keys": self.keys} if self.answer is None else Response(self.answer)

        return app


def public(key, kid, **more):
    algorithm = ECAlgorithm if key is CURVE else RSAAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **more}


@pytest.fixture
def issuer():
    (port,) = free_ports(1)
    issuer = Issuer(f"http://127.0.0.1:{port}", keys=[public(RSA, "one"), public(CURVE, "curve")])
    with serving(issuer.app(), port):
        yield issuer


@pytest.fixture
async def http():
    async with httpx.AsyncClient(trust_env=False) as http:
        yield http


def settings_of(issuer, **changes):
    roles = {"staff": "operator", "bosses": "admin"}
    return Oidc.model_validate({"issuer": issuer.url, "client_id": "page", "roles": roles, **changes})


def token(issuer, key: Any = RSA, kid="one", algorithm="RS256", without=(), **changes):
    now = int(time.time())
    claims = {"iss": issuer.url, "aud": "page", "sub": "7", "exp": now + 300, "preferred_username": "ana"}
    claims = {name: value for name, value in {**claims, **changes}.items() if name not in without}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


async def test_a_good_token_names_its_person_with_the_highest_role_of_their_groups(issuer, http):
    provider = Provider(settings_of(issuer), http)
    person = await provider.person(token(issuer, groups=["staff", "bosses", "others"]))
    assert (person.issuer, person.subject, person.user) == (issuer.url, "7", "ana")
    assert (person.role, person.tenant) == ("admin", "default")
    assert (await provider.person(token(issuer, CURVE, "curve", "ES256"))).role == "user"
    assert (await provider.person(token(issuer, algorithm="PS256"))).user == "ana"
    assert issuer.asked == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": []},
        {"exp": 1},
        {"exp": "soon"},
        {"nbf": int(time.time()) + 3_600},
        {"iat": int(time.time()) + 3_600},
        {"azp": "another"},
        {"sub": ""},
        {"sub": "s" * 256},
        {"preferred_username": ""},
        {"without": ("exp",)},
        {"without": ("sub",)},
        {"without": ("aud",)},
        {"without": ("iss",)},
        {"without": ("preferred_username",)},
        {"key": OTHER},
        {"key": OTHER, "kid": "two"},
        {"key": OTHER, "kid": None},
        {"key": "a" * 64, "algorithm": "HS256"},
        {"key": "", "algorithm": "none"},
        {"key": CURVE, "algorithm": "ES256"},
    ],
)
async def test_a_token_that_is_not_good_here_is_refused(issuer, http, changes):
    with pytest.raises(Unauthorized):
        await Provider(settings_of(issuer), http).person(token(issuer, **changes))


async def test_the_public_key_is_no_secret_of_a_symmetric_signature(issuer, http):
    head, body, _ = token(issuer).split(".")
    forged = base64url_encode(b'{"alg":"HS256","kid":"one"}').decode()
    for text in (f"{forged}.{body}.AAAA", f"{head}.{body}.", f"{head}.{body}", "eyJ..", "", "x" * 20_000):
        with pytest.raises(Unauthorized):
            await Provider(settings_of(issuer), http).person(text)


async def test_weak_private_and_encryption_keys_are_not_believed(issuer, http):
    issuer.keys = [public(WEAK, "weak"), public(OTHER, "enc", use="enc"), public(OTHER, "alg", alg="RS512")]
    private = RSAAlgorithm.to_jwk(RSA, as_dict=True)
    issuer.keys += [{**private, "kid": "private"}, {"kty": "oct", "k": "AAAA", "kid": "oct"}]
    tried = ((WEAK, "weak"), (OTHER, "enc"), (OTHER, "alg"), (RSA, "private"))
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        weak = token(issuer, WEAK, "weak")
    for bad in (weak, *(token(issuer, key, kid) for key, kid in tried[1:])):
        with pytest.raises(Unauthorized):
            await Provider(settings_of(issuer), http).person(bad)


async def test_a_few_seconds_of_difference_between_clocks_do_no_harm(issuer, http):
    now = int(time.time())
    late = token(issuer, exp=now - 5, nbf=now + 10, iat=now + 10)
    assert (await Provider(settings_of(issuer), http).person(late)).user == "ana"


async def test_an_api_of_its_own_takes_tokens_that_any_client_asked_for(issuer, http):
    provider = Provider(settings_of(issuer, audience="api://platform"), http)
    theirs = token(issuer, aud=["api://platform", "account"], azp="another")
    assert (await provider.person(theirs)).user == "ana"
    with pytest.raises(Unauthorized):
        await provider.person(token(issuer))


async def test_who_is_in_no_group_stays_outside_where_there_is_no_role_for_everybody(issuer, http):
    provider = Provider(settings_of(issuer, default_role=None, groups_claim="realm_access.roles"), http)
    with pytest.raises(Forbidden):
        await provider.person(token(issuer, groups=["bosses"]))
    assert (await provider.person(token(issuer, realm_access={"roles": ["staff"]}))).role == "operator"


async def test_a_new_key_is_fetched_once_a_minute_and_no_more(issuer, http):
    now = 1_000.0
    provider = Provider(settings_of(issuer), http, clock=lambda: now)
    await provider.person(token(issuer))
    issuer.keys = [public(OTHER, "two")]
    for _ in range(5):
        with pytest.raises(Unauthorized):
            await provider.person(token(issuer, OTHER, "two"))
    assert issuer.asked == 1
    now += RETRY_S
    assert (await provider.person(token(issuer, OTHER, "two"))).user == "ana"
    for _ in range(5):
        with pytest.raises(Unauthorized):
            await provider.person(token(issuer, kid="three"))
    assert issuer.asked == 2


@pytest.mark.parametrize("answer", [b"no json", b"[]", b'{"keys": 1}', b"{}", b" " * (MAX_BYTES + 1)])
async def test_without_the_provider_known_keys_go_on_and_unknown_ones_are_unavailable(issuer, http, answer):
    now = 1_000.0
    provider = Provider(settings_of(issuer), http, clock=lambda: now)
    issuer.answer, good = answer, issuer.answer
    with pytest.raises(Unavailable):
        await provider.person(token(issuer))
    issuer.answer, now = good, now + RETRY_S
    assert (await provider.person(token(issuer))).user == "ana"
    issuer.answer, now = answer, now + 100_000
    assert (await provider.person(token(issuer))).user == "ana"
    assert issuer.asked == 3


async def test_a_provider_that_is_away_or_calls_itself_otherwise_is_unavailable(issuer, http):
    issuer.called = "https://evil.example"
    with pytest.raises(Unavailable, match=r"evil\.example"):
        await Provider(settings_of(issuer), http)._read()
    away = settings_of(Issuer(f"http://127.0.0.1:{free_ports(1)[0]}"))
    async with open_provider(away) as provider:
        assert provider is not None
        with pytest.raises(Unavailable):
            await provider.person(token(issuer))
    async with open_provider(Oidc()) as provider:
        assert provider is None


@pytest.mark.parametrize("issuer", ["http://provider.example", "ftp://provider.example", "provider.example"])
def test_an_issuer_without_tls_is_loopback_only(issuer):
    with pytest.raises(ValueError, match="https"):
        Oidc(issuer=issuer)
    assert Oidc(issuer="https://provider.example/realms/a").issuer
    assert Oidc(issuer="http://localhost:8080").issuer


def test_the_environment_can_say_that_there_is_no_role_for_everybody():
    assert [
        Oidc.model_validate({"default_role": word}).default_role for word in ("none", "", "operator")
    ] == [
        None,
        None,
        "operator",
    ]


def test_the_form_of_a_jwt_is_told_from_our_own_tokens():
    assert is_jwt("eyJhbGciOiJSUzI1NiJ9.e30.AAAA")
    assert not any(map(is_jwt, ("c6-abc", "c6i.eyJ.a.b", "sk-1", "", "eyJ.a")))
