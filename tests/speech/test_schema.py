"""Fault 25 at the speech server: requests from its OpenAPI."""

import os
from collections.abc import Iterator

import pytest

from servers.speech.main import build_app
from tests.conftest import settings_in
from tests.schemas import SOAK, USUAL, check
from tests.serving import serving


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running speech server."""
    settings = settings_in(tmp_path_factory.mktemp("speech"))
    with serving(build_app(settings), settings.ports.speech):
        yield settings.speech_url


@pytest.mark.timeout(600)
def test_two_thousand_requests_are_never_an_internal_error(speech: str) -> None:
    check(speech, count=USUAL, seed=6)


@pytest.mark.soak
def test_ten_thousand_requests_are_never_an_internal_error(speech: str) -> None:
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    check(speech, count=SOAK, seed=seed)
