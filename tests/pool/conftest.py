"""Fixtures of the pool's tests: a pool in this loop, or one in a thread for clients that block."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.pool.harness import Client, make_settings, serving, write_catalog
from tools.settings import Settings

Start = Callable[..., Any]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def open_client(tmp_path: Path, journal: Path) -> Start:
    """`async with open_client(models, **pool settings) as client`; at the end nothing may be left over."""

    @asynccontextmanager
    async def start(
        models: dict[str, dict[str, Any]],
        *,
        auto: Any = None,
        limits: Any = None,
        ollama_url: str = "",
        **pool: Any,
    ):
        catalog = write_catalog(tmp_path / "models.toml", models, auto)
        settings = make_settings(tmp_path / "home", catalog, limits, **pool)
        if ollama_url:
            settings = settings.model_copy(update={"ollama_url": ollama_url})
        async with serving(settings) as (base, app):
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            async with aiohttp.ClientSession(connector=connector) as session:
                client = Client(session, base, app, settings, journal)
                yield client
                await client.until(lambda: client.pool.scheduler.queues.queued == 0)
                instances = client.pool.scheduler.instances.values()
                await client.until(lambda: not any(instance.in_flight for instance in instances))
        assert client.orphans() == []

    return start


@pytest.fixture
def in_thread() -> Iterator[Callable[[Settings], str]]:
    """Serve a pool from another thread, for clients that block."""
    stops: list[Callable[[], None]] = []

    def start(settings: Settings) -> str:
        started, stop = threading.Event(), threading.Event()

        async def run() -> None:
            async with serving(settings):
                started.set()
                await asyncio.to_thread(stop.wait)

        thread = threading.Thread(target=asyncio.run, args=(run(),))
        thread.start()
        stops.append(lambda: (stop.set(), thread.join())[0])
        assert started.wait(60)
        return f"http://127.0.0.1:{settings.ports.pool}"

    yield start
    for stop in stops:
        stop()
