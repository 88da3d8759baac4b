"""A running API in front of small real peers, and an HTTP client that talks to it."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from servers.api.main import build_app
from tests.agents.conftest import knobs, peers  # noqa: F401 - the same peers stand behind the agents
from tests.agents.peers import Knobs
from tests.serving import serving
from tools.settings import Settings


@pytest.fixture(scope="session")
def api(peers: tuple[Settings, Knobs]) -> Iterator[str]:  # noqa: F811
    """The URL of a running API."""
    with serving(build_app(peers[0]), peers[0].ports.api):
        yield peers[0].api_url


@pytest.fixture
async def http(api: str, knobs: Knobs) -> AsyncIterator[httpx.AsyncClient]:  # noqa: F811
    async with httpx.AsyncClient(base_url=api, timeout=20, trust_env=False) as client:
        yield client
