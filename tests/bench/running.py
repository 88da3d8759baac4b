"""Services and a graph server for one benchmark, in a folder that goes with it."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from servers.bridge.services import Services
from servers.bridge.services import open_services as open_bridge
from servers.local.embedded_stores import open_stores
from tests.bridge.conftest import listening, serving, wait_until
from tests.conftest import settings_in
from tools.settings import Settings


@contextmanager
def running() -> Iterator[Settings]:
    """Everything that the bridge needs, started and listening; ended with the block."""
    with tempfile.TemporaryDirectory(prefix="c6-") as home:
        own = settings_in(Path(home))
        with open_stores(own, deadline_s=180.0), serving(own, "graph"):
            wait_until(lambda: listening(own.ports.nebula), seconds=180)
            yield own


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Services]:
    """The bridge's own parts over them, as patient as a measurement of quality or of ratios must be."""
    async with open_bridge(settings) as stores:
        stores.search.retrievers.deadline_s = 30.0
        yield stores
