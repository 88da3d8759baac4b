"""Fault 25 at the API: requests from its OpenAPI, over small real peers."""

import os

import pytest

from tests.agents.peers import Knobs
from tests.schemas import SOAK, USUAL, check

# Each question waits three seconds for a Prefect server that no peer here plays.
PREFECT = ("/api/runs", "/api/people", "/v1/sources", "/runs/crons")


@pytest.mark.timeout(600)
def test_two_thousand_requests_are_never_an_internal_error(api: str, knobs: Knobs) -> None:
    check(api, count=USUAL, seed=6, without=PREFECT)


@pytest.mark.soak
def test_ten_thousand_requests_are_never_an_internal_error(api: str, knobs: Knobs) -> None:
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    check(api, count=SOAK, seed=seed, without=PREFECT)
