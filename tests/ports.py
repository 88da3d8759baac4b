"""Ports for servers that tests start: free now, below those that the kernel gives to clients, none of our
defaults, and in a range of this worker's own: nobody else takes one before its server binds it."""

import itertools
import os
import random
import socket

from tests.isolation import DEFAULT_PORTS

FIRST, LAST, WORKERS = 10_000, 32_000, 16
SHARE = (LAST - FIRST) // WORKERS


def _mine() -> range:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    start = FIRST + int(worker) % WORKERS * SHARE
    return range(start, start + SHARE)


_NEXT = itertools.cycle(random.Random(os.getpid()).sample(sorted({*_mine()} - DEFAULT_PORTS), SHARE - 2))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on; each call gives another."""
    for port in itertools.islice(_NEXT, SHARE):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError("no port is free")


def free_ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]
