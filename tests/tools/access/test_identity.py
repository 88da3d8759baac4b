"""Tokens by which services tell each other who is asking: only their own, only fresh ones."""

import time

import jwt
import pytest

from tools.access.identity import (
    LEEWAY_S,
    LOCAL,
    SCOPES,
    TOKEN_PREFIX,
    Principal,
    Signer,
    acting_as,
    current,
    service,
)

ANA = Principal("huerta", "ana", "user", SCOPES["user"], "session")
SECRET = b"x" * 64


def test_a_signed_principal_comes_back_whole() -> None:
    signer = Signer(SECRET)
    for principal in (ANA, LOCAL, service("api")):
        assert signer.verify(signer.sign(principal)) == principal
        assert Signer(SECRET).verify(signer.sign(principal)) == principal


def test_another_secret_signs_for_nobody() -> None:
    assert Signer(SECRET).verify(Signer(b"y" * 43).sign(ANA)) is None


@pytest.mark.parametrize("algorithm", ["none", "HS512"])
def test_another_algorithm_is_refused(algorithm: str) -> None:
    claims = {"sub": "ana", "tenant": "huerta", "role": "admin", "scopes": [], "key": "", "platform": True}
    claims |= {"exp": int(time.time()) + 60}
    forged = TOKEN_PREFIX + jwt.encode(claims, "" if algorithm == "none" else SECRET, algorithm=algorithm)
    assert Signer(SECRET).verify(forged) is None


def test_an_old_token_and_one_without_an_end_are_refused() -> None:
    claims = {"sub": "ana", "tenant": "huerta", "role": "user", "scopes": [], "key": "", "platform": False}
    for end in ({"exp": int(time.time()) - LEEWAY_S - 2}, {}):
        token = TOKEN_PREFIX + jwt.encode(claims | end, SECRET, algorithm="HS256")
        assert Signer(SECRET).verify(token) is None


def test_an_unknown_role_and_broken_text_are_refused() -> None:
    claims = {"sub": "ana", "tenant": "huerta", "role": "root", "scopes": [], "key": "", "platform": False}
    token = TOKEN_PREFIX + jwt.encode(claims | {"exp": int(time.time()) + 60}, SECRET, algorithm="HS256")
    for text in (token, "", TOKEN_PREFIX, TOKEN_PREFIX + "a.b.c", "ñ" * 300, Signer(SECRET).sign(ANA)[4:]):
        assert Signer(SECRET).verify(text) is None


def test_whom_a_task_acts_for_ends_with_the_block() -> None:
    with acting_as(ANA):
        assert current() == ANA
        with acting_as(None):
            assert current() is None
    assert current() is None
