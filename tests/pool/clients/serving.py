"""One pool for all rows of a table of clients: an engine that chats, one that embeds, one with every path."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.pool.harness import make_settings, model, serving, write_catalog
from tests.pool.wire.engine import serve_wire


@contextmanager
def serve_clients(home: Path) -> Iterator[str]:
    """The pool's address; it runs in a thread of its own, for clients that block."""
    started, stop = threading.Event(), threading.Event()
    address: list[str] = []

    async def run() -> None:
        async with serve_wire() as (engine, url):
            engine.says = [{"reasoning": "pienso"}, {"content": "hola"}]
            models = {
                "chat": model(),
                "vectors": model(kind="embedding", knobs={"kind": "embedding"}),
                "wire": {"backend": "openai", "urls": [url]},
                "ranks": {"backend": "openai", "urls": [url], "kind": "rerank"},
                "extractive": {"backend": "extractive"},
            }
            catalog = write_catalog(home / "models.toml", models, {"default": "chat", "last": "extractive"})
            async with serving(make_settings(home / "home", catalog)) as (base, _):
                address.append(base)
                started.set()
                await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert started.wait(60)
        yield address[0]
    finally:
        stop.set()
        thread.join()
