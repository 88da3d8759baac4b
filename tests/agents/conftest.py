"""Running peers of the agents, and a context whose clients call them over HTTP."""

from collections.abc import AsyncIterator, Iterator

import pytest

from agents.context import Context, open_clients
from agents.conversation.persistence import open_persistence
from agents.runtime import CompiledAgent, compile_agents
from tests.agents.peers import Knobs, build_bridge, build_pool
from tests.agents.speech_peer import build_speech
from tests.conftest import settings_in
from tests.serving import serving
from tools.settings import Settings


@pytest.fixture(scope="session")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Knobs]]:
    settings, knobs = settings_in(tmp_path_factory.mktemp("peers")), Knobs()
    ports = settings.ports
    with (
        serving(build_pool(knobs), ports.pool),
        serving(build_bridge(knobs), ports.bridge),
        serving(build_speech(knobs), ports.speech),
    ):
        yield settings, knobs


@pytest.fixture
def knobs(peers: tuple[Settings, Knobs]) -> Knobs:
    """The peers' knobs, back at their defaults."""
    peers[1].reset()
    return peers[1]


@pytest.fixture
async def context(peers: tuple[Settings, Knobs], knobs: Knobs) -> AsyncIterator[Context]:
    async with open_clients(peers[0]) as clients:
        yield Context(clients, peers[0].chat)


@pytest.fixture
async def ready(settings: Settings) -> AsyncIterator[dict[str, CompiledAgent]]:
    async with open_persistence(settings) as persistence:
        yield compile_agents(persistence)
