"""A real Milvus server of the PyPI package `milvus` (2.3.5), where a virtual environment has it."""

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_ports

START = """
import sys
from milvus import MilvusServer
server = MilvusServer(wait_for_started=False, proxy_port=int(sys.argv[2]), data_dir=sys.argv[1])
server.webservice_port = int(sys.argv[3])
server.start()
sys.stdin.read()
server.stop()
"""


def missing(environment: str) -> str:
    """Why no server can be run from this virtual environment; empty when one can."""
    if not environment:
        return "no --milvus-server=VENV was given (a virtual environment with the package milvus==2.3.5)"
    found = list(Path(environment).glob("lib/python*/site-packages/milvus/data/bin/*.lzma"))
    return "" if found else f"{environment} has no package milvus"


@contextmanager
def running(environment: str, home: Path) -> Iterator[str]:
    """The URI of a server whose data is in `home`; it ends with the block."""
    port, health = free_ports(2)
    command = [Path(environment) / "bin" / "python", "-c", START, home, str(port), str(health)]
    with (home.parent / "milvus.log").open("wb") as log:
        server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(f"http://127.0.0.1:{health}/healthz", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.communicate()


def _wait(url: str, server: "subprocess.Popen[bytes]", *, seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert server.poll() is None, "the server ended while it started"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if b"OK" in answer.read():
                    return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server was not ready in time")
