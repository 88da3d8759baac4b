"""A child process that invents, the real pool in front of it, and a context that asks it."""

import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agents.context import Context, open_clients
from servers.pool.main import build_app
from tests.agents.inventing.inventor import SAYINGS
from tests.agents.test_grounded_run import FACTS
from tests.conftest import settings_in
from tests.pool.harness import write_catalog
from tests.ports import free_port
from tests.serving import serving
from tools.settings import Pool, Settings


def listening(port: int) -> None:
    """Wait until somebody listens."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    """The URL of a child that invents."""
    port = free_port()
    child = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("inventor.py")), "--port", str(port)]
    )
    listening(port)
    yield f"http://127.0.0.1:{port}"
    child.kill()
    child.wait()


@pytest.fixture(scope="module")
def invented(engine: str, peers, tmp_path_factory) -> Iterator[Settings]:
    """Settings of a real pool, whose models are the ways to invent, and of the bridge of the peers."""
    home = tmp_path_factory.mktemp("inventing")
    models = {name: {"backend": "openai", "urls": [engine], "domain": "general"} for name in SAYINGS} | {
        "extractive": {"backend": "extractive"}
    }
    catalog = write_catalog(home / "models.toml", models)
    settings = settings_in(home, pool=Pool(catalog=catalog))
    settings = settings.model_copy(
        update={"ports": settings.ports.model_copy(update={"bridge": peers[0].ports.bridge})}
    )
    with serving(build_app(settings), settings.ports.pool):
        yield settings


@pytest.fixture
async def inventing(invented: Settings, knobs) -> AsyncIterator[Context]:
    knobs.documents = [
        {"id": name, "title": name, "source": f"{name}.md", "text": text} for name, text in FACTS.items()
    ]
    async with open_clients(invented) as clients:
        yield Context(clients, invented.chat)
