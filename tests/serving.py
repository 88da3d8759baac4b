"""Runs an ASGI app on a real socket in a thread of its own, for tests that speak HTTP to it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


@contextmanager
def serving(app: Any, port: int, *, websockets: bool = False) -> Iterator[None]:
    """`app` answers on 127.0.0.1:`port` inside the block; its start-up failure fails the test."""
    ws: Any = "websockets-sansio" if websockets else "none"
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, ws=ws, lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    assert server.started, f"nothing started on port {port}"
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=60)
        assert not thread.is_alive(), "the server did not stop"
