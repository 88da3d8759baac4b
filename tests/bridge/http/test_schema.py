"""Fault 25 at the bridge: requests from its OpenAPI, over real stores."""

import os

import httpx
import pytest

from tests.schemas import SOAK, USUAL, check

# Each new collection and space is made in the stores; a search may name any.
NAMES = {
    "collection": ["capibara6", "fuzz", "nowhere"],
    "name": ["fuzz", "shelf"],
    "space": ["capibara6", "fuzz"],
}


@pytest.mark.timeout(600)
def test_two_thousand_requests_are_never_an_internal_error(bridge: httpx.Client) -> None:
    check(str(bridge.base_url), count=USUAL, seed=6, names=NAMES)


@pytest.mark.soak
def test_ten_thousand_requests_are_never_an_internal_error(bridge: httpx.Client) -> None:
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    check(str(bridge.base_url), count=SOAK, seed=seed, names=NAMES)
