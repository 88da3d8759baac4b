"""What the door adds to an empty route, and what knowing who asks adds to it, side by side in one run.

Four servers that differ in nothing else (`parts/door.py`), asked in turns: median and p99 of a request, CPU
of the server. Ratios travel between machines, microseconds do not. `python -m tests.bench.door [--rounds N]`
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
import timeit
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import psutil
from pydantic import SecretStr

from servers.web.access import Access
from servers.web.door import Door
from tests.bench.parts.client import Line, open_lines
from tests.bench.parts.door import KEY, WAYS, OneKey
from tests.conftest import settings_in
from tests.ports import free_ports
from tools.settings import Settings

PARTS = Path(__file__).parent / "parts" / "door.py"
ROOT = Path(__file__).parents[2]
SLICE = 100
HEAD = f"host: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\n"
PAGE = "origin: http://127.0.0.1\r\nsec-fetch-site: same-origin\r\nsec-fetch-mode: cors\r\n"
JSON = "content-type: application/json\r\ncontent-length: 2\r\n"
REQUESTS = {
    "a program's GET": f"GET /empty HTTP/1.1\r\n{HEAD}\r\n".encode(),
    "a program's POST": f"POST /empty HTTP/1.1\r\n{HEAD}{JSON}\r\n{{}}".encode(),
    "a page's GET": f"GET /empty HTTP/1.1\r\n{HEAD}{PAGE}\r\n".encode(),
}


class Server:
    """One way's process, and what it has used."""

    def __init__(self, way: str, port: int, settings: Settings) -> None:
        environment = {**os.environ, **settings.environment()}
        words = [sys.executable, str(PARTS), way, str(port)]
        self.port, self.process = (
            port,
            psutil.Popen(words, cwd=ROOT, env={**environment, "PYTHONPATH": str(ROOT)}),
        )

    def cpu_us(self) -> float:
        """The scheduler's own count, in µs: the usual one advances by 10 ms."""
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e3


@contextlib.contextmanager
def servers(home: Path) -> Iterator[dict[str, Server]]:
    settings = settings_in(home, log_level="ERROR")
    found = {way: Server(way, port, settings) for way, port in zip(WAYS, free_ports(len(WAYS)), strict=True)}
    try:
        yield found
    finally:
        for server in found.values():
            server.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired, psutil.TimeoutExpired):
                server.process.wait(30)


async def connected(stack: contextlib.AsyncExitStack, server: Server) -> Line:
    for _ in range(600):
        with contextlib.suppress(OSError):
            return (await stack.enter_async_context(open_lines(server.port, 1)))[0]
        await asyncio.sleep(0.1)
    raise AssertionError(f"nothing answers on {server.port}")


async def main(rounds: int, home: Path) -> None:
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    spent: dict[tuple[str, str], list[float]] = defaultdict(list)
    async with contextlib.AsyncExitStack() as stack:
        running = stack.enter_context(servers(home))
        lines = {way: await connected(stack, server) for way, server in running.items()}
        for number in range(rounds + 2):
            for name, request in REQUESTS.items():
                for way in (*WAYS, *reversed(WAYS)):
                    before, took = running[way].cpu_us(), await asked(lines[way], request)
                    if number >= 2:  # the first ones warm up
                        times[name, way] += took
                        spent[name, way].append((running[way].cpu_us() - before) / SLICE)
    show(times, spent)
    decide(home)
    await identify(home)


async def asked(line: Line, request: bytes) -> list[float]:
    """µs of each request of a slice."""
    took = []
    for _ in range(SLICE):
        began = time.perf_counter()
        await line.send(request)
        took.append((time.perf_counter() - began) * 1e6)
    return took


def show(times: dict[tuple[str, str], list[float]], spent: dict[tuple[str, str], list[float]]) -> None:
    print(f"{'':18}{'':10}{'p50 µs':>9}{'p99 µs':>9}{'CPU µs':>9}{'p50, p99, CPU over bare':>28}")
    for name in REQUESTS:
        found = {}
        for way in WAYS:
            cuts = statistics.quantiles(times[name, way], n=100)
            found[way] = cuts[49], cuts[98], statistics.median(spent[name, way])
        for way, values in found.items():
            ratios = "".join(
                f"{value / bare:8.3f}" for value, bare in zip(values, found["bare"], strict=True)
            )
            print(f"{name:18}{way:10}" + "".join(f"{value:9.1f}" for value in values) + f"    {ratios}")
        key, whole = (found[way][2] - found["door"][2] for way in ("key", "identity"))
        print(
            f"{name:18}identity over the old check of one key, CPU of the whole request: "
            f"{found['identity'][2] / found['key'][2]:.3f} (what they add: {key:.1f} and {whole:.1f} µs)"
        )


def decide(home: Path) -> None:
    """The decision alone, without a server."""
    door = Door(settings_in(home), "bench")
    for name, request in REQUESTS.items():
        head, *rest = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
        pairs = [(key, value) for key, _, value in (line.partition(b": ") for line in rest)]
        scope = {"type": "http", "method": head.split()[0].decode(), "path": "/empty", "headers": pairs}
        headers = dict(pairs)
        seconds = min(timeit.repeat(lambda s=scope, h=headers: door.admit(s, h), number=20_000, repeat=9))
        print(f"{name:18}the decision alone: {seconds / 20_000 * 1e6:.2f} µs")


async def identify(home: Path) -> None:
    """Who asks, alone: the whole of `Access.admit` over the old check of one key."""
    settings = settings_in(home, api_key=SecretStr(KEY))
    ways = {"the old check of one key": OneKey().admit, "who asks": Access(settings, name="bench").admit}
    pairs = [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {KEY}".encode())]
    headers, took = dict(pairs), dict.fromkeys(ways, float("inf"))
    for _ in range(200):
        for name, admit in ways.items():
            began = time.perf_counter()
            for _ in range(SLICE):
                with await admit(
                    {"type": "http", "method": "GET", "path": "/empty", "headers": pairs}, headers
                ):
                    pass
            took[name] = min(took[name], (time.perf_counter() - began) / SLICE * 1e6)
    old, new = took.values()
    print(f"who asks, alone: {new:.2f} µs, the old check of one key {old:.2f} µs: {new / old:.2f}")


if __name__ == "__main__":
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(parser.parse_args().rounds, Path(folder)))
