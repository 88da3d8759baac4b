"""MCP, side by side in one run: our server against the SDK's with the same tool, and a warm session of the
connector against the SDK's client. Ratios travel between machines, milliseconds do not.

`python -m tests.bench.mcp [--calls N] [--rounds N]`
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import httpx2

from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from tests.bridge.conftest import listening, wait_until
from tests.conftest import settings_in
from tests.ports import free_ports
from tools.mcp.options import McpServer
from tools.mcp.remote_session import RemoteSession
from tools.settings import Settings

ROOT = Path(__file__).parents[3]
AT_ONCE = 8
LEAST_RATIO, MOST_MS = 0.8, 3.0
VERSION = "2026-07-28"
ARGUMENTS = {"query": "¿cuántos modelos?", "top_k": 2}
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
}
BODY = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "search_knowledge", "arguments": ARGUMENTS, "_meta": META},
}
HEADERS = {
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": VERSION,
    "mcp-method": "tools/call",
    "mcp-name": "search_knowledge",
}


@contextmanager
def running(settings: Settings) -> Iterator[dict[str, str]]:
    """The URL of each way's server; what they ask is a process of its own."""
    ports = dict(zip(("ours", "bare"), free_ports(2), strict=True)) | {"peers": settings.ports.bridge}
    environment = {**os.environ, **settings.environment(), "CAPIBARA6_LOG_LEVEL": "ERROR"}
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.mcp.serve", way, str(port)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        for way, port in ports.items()
    ]
    try:
        for port in ports.values():
            wait_until(lambda port=port: listening(port))
        yield {way: f"http://127.0.0.1:{ports[way]}/mcp" for way in ("ours", "bare")}
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait(timeout=30)


async def load(http: aiohttp.ClientSession, url: str, calls: int) -> tuple[float, float]:
    """Calls a second, and the median of one in ms, `AT_ONCE` at a time."""
    took: list[float] = []

    async def worker() -> None:
        for _ in range(calls // AT_ONCE):
            began = time.perf_counter()
            async with http.post(url, json=BODY, headers=HEADERS) as answer:
                body = await answer.json()
            assert body["result"]["structuredContent"]["passages"], body
            took.append((time.perf_counter() - began) * 1_000)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return len(took) / (time.perf_counter() - began), statistics.median(took)


async def servers(urls: dict[str, str], calls: int, rounds: int) -> bool:
    """Print both ways of a server; whether ours keeps `LEAST_RATIO` of the bare one's calls and median."""
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in urls}
    async with aiohttp.ClientSession() as http:
        for url in urls.values():
            await load(http, url, AT_ONCE * 5)
        for _ in range(rounds):
            for way, url in urls.items():
                found[way].append(await load(http, url, calls))
    for way, rows in found.items():
        speed, median = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"{way:>6}: {speed:7.1f} calls/s, p50 {median:6.2f} ms")
    pairs = list(zip(found["ours"], found["bare"], strict=True))
    speed = statistics.median(ours[0] / bare[0] for ours, bare in pairs)
    median = statistics.median(bare[1] / ours[1] for ours, bare in pairs)
    print(f"ours / bare: calls/s x{speed:.2f}, p50 x{median:.2f} (at least {LEAST_RATIO})")
    return min(speed, median) >= LEAST_RATIO


async def sessions(url: str, calls: int) -> bool:
    """Print a call of the connector and of the SDK's client; whether the difference is below `MOST_MS`."""
    remote = RemoteSession("bare", McpServer(url=url), ())
    async with (
        httpx2.AsyncClient(trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "client": lambda: client.call_tool("search_knowledge", ARGUMENTS),
            "connector": lambda: remote.call("search_knowledge", ARGUMENTS),
        }
        took: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(calls + 10):
            for way, ask in ways.items():
                began = time.perf_counter()
                await ask()
                if number >= 10:
                    took[way].append((time.perf_counter() - began) * 1_000)
    await remote.close()
    medians = {way: statistics.median(rows) for way, rows in took.items()}
    more = medians["connector"] - medians["client"]
    told = ", ".join(f"{way} {median:.2f} ms" for way, median in medians.items())
    print(f"a warm call: {told}; {more:+.2f} ms (at most {MOST_MS})")
    return more <= MOST_MS


def main() -> int:
    """0 when both hold."""
    options = argparse.ArgumentParser()
    options.add_argument("--calls", type=int, default=400)
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as home, running(settings_in(Path(home))) as urls:
        held = [
            asyncio.run(servers(urls, given.calls, given.rounds)),
            asyncio.run(sessions(urls["bare"], given.calls)),
        ]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
