"""Passwords: right or wrong, known or not, at the same cost; guessing is counted and slowed down."""

import pytest
from argon2 import extract_parameters

from servers.bridge.access import passwords
from servers.bridge.access.passwords import FAILURES, HASHER, NOBODY, WITHIN_S, FailureCount, Passwords
from tools.errors import RateLimited


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def test_only_the_right_password_is_right() -> None:
    store = Passwords()
    kept = await store.hash("una frase larga")
    assert kept.startswith("$argon2id$")
    assert "larga" not in kept
    assert await store.verify(kept, "una frase larga")
    for wrong in ("", "una frase", "una frase larga ", "UNA FRASE LARGA", kept):
        assert not await store.verify(kept, wrong)
    assert not await store.verify("no hash", "una frase larga")
    assert await store.hash("una frase larga") != kept


async def test_whom_nobody_knows_costs_as_much_as_whom_one_knows() -> None:
    assert extract_parameters(NOBODY) == extract_parameters(HASHER.hash("x"))
    assert not await Passwords().verify(None, "x")


async def test_no_more_than_a_few_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "WAITING", 0)
    with pytest.raises(RateLimited):
        await Passwords().hash("x")


def test_ten_failures_within_five_minutes_close_the_door_to_one_name() -> None:
    clock = Clock()
    count, name = FailureCount(clock), ("default", "ana")
    for _ in range(FAILURES):
        count.check(name)
        count.add(name)
        clock.now += 1
    with pytest.raises(RateLimited) as refused:
        count.check(name)
    assert 0 < (refused.value.retry_after or 0) <= WITHIN_S
    count.check(("default", "berto"))
    count.check(("acme", "ana"))
    clock.now += refused.value.retry_after or 0
    count.check(name)
    count.add(name)
    count.add(name)
    with pytest.raises(RateLimited):
        count.check(name)
    count.forget(name)
    count.check(name)


def test_failures_of_many_names_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MAX_NAMES", 50)
    clock = Clock()
    count = FailureCount(clock)
    for number in range(500):
        count.add(("default", f"n{number}"))
        clock.now += 0.01
    assert len(count.failed) <= 50
    assert ("default", "n499") in count.failed
