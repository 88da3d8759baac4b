"""What a request and a streamed chunk cost in the pool, beside plain proxies, in one interleaved run.

CPU µs of the proxy's process a request at 1, 64 and 256 connections, CPU µs a chunk, added median latency.
Ratios travel between machines, microseconds do not. `python tests/bench/pool.py [--rounds N]`
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import aiohttp
import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.pool.world import Server, free_port, make_settings, write_catalog

PARTS = Path(__file__).with_name("pool_parts.py")
ASK = {"model": "m", "messages": [{"role": "user", "content": "hola"}]}
CONNECTIONS = {1: 200, 64: 640, 256: 1024}
SLOW = {"starlette": 4}
"""These get a fraction of the requests, or they would be most of the run."""
STREAMS, CHUNKS = 32, 100


class Proxy:
    def __init__(self, name: str, port: int, popen: subprocess.Popen[bytes]) -> None:
        self.name, self.url, self.popen = name, f"http://127.0.0.1:{port}/v1/chat/completions", popen
        self.process = psutil.Process(popen.pid)

    def cpu(self) -> float:
        """Seconds of the process and, for nginx, of its workers. The engines of the pool are not counted."""
        family = [self.process, *(self.process.children() if self.name == "nginx" else [])]
        # The scheduler's own count is in nanoseconds; the usual one advances by 10 ms.
        threads = [thread for each in family for thread in Path(f"/proc/{each.pid}/task").iterdir()]
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


async def main(rounds: int, only: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        proxies = start(Path(folder), stack)
        proxies = [proxy for proxy in proxies if not only or proxy.name in ("direct", *only)]
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
        async with aiohttp.ClientSession(connector=connector) as session:
            for proxy in proxies:
                await answering(session, proxy)
            found = defaultdict(list)
            for _ in range(rounds):
                for proxy in proxies:
                    await measure(session, proxy, found)
            pool = next(proxy for proxy in proxies if proxy.name == "pool")
            await asyncio.sleep(2)
            show(proxies, found, await idle(pool), pool.process.memory_info().rss)


def start(folder: Path, stack: contextlib.ExitStack) -> list[Proxy]:
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}

    def run(*words: str) -> subprocess.Popen[bytes]:
        popen = subprocess.Popen([sys.executable, *words], env=environment)
        stack.callback(popen.wait)
        stack.callback(popen.kill)
        return popen

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    engine = run(str(PARTS), "engine", "--port", str(port), "--name", "m", "--nonce", "n")
    proxies = [Proxy("direct", port, engine)]
    for kind in ("raw", "starlette"):
        port = free_port()
        proxies.append(Proxy(kind, port, run(str(PARTS), kind, str(port), url)))
    line = [
        sys.executable,
        str(PARTS),
        "engine",
        "--port",
        "{port}",
        "--name",
        "{name}",
        "--nonce",
        "{nonce}",
    ]
    entry = {"backend": "vllm", "command": line, "concurrency": 512}
    settings = make_settings(folder / "home", write_catalog(folder / "models.toml", {"m": entry}))
    server = Server(settings)
    stack.callback(server.popen.wait)
    stack.callback(server.popen.terminate)
    proxies.insert(1, Proxy("pool", settings.ports.pool, server.popen))
    if shutil.which("nginx"):
        proxies.append(nginx(folder, url, stack))
    return proxies


def nginx(folder: Path, url: str, stack: contextlib.ExitStack) -> Proxy:
    port = free_port()
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        "events { worker_connections 2048; }\n"
        f"http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n"
        f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f"upstream engine {{ server {url.removeprefix('http://')}; keepalive 512; }}\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://engine; proxy_buffering off;\n"
        'proxy_http_version 1.1; proxy_set_header Connection ""; }} }} }}\n'.replace("}}", "}")
    )
    popen = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")])
    stack.callback(popen.wait)
    stack.callback(popen.terminate)
    return Proxy("nginx", port, popen)


async def answering(session: aiohttp.ClientSession, proxy: Proxy) -> None:
    for _ in range(200):
        try:
            async with session.post(proxy.url, json=ASK) as response:
                await response.read()
                assert response.status == 200, await response.text()
                return
        except aiohttp.ClientError:
            await asyncio.sleep(0.1)
    raise SystemExit(f"{proxy.name} does not answer")


async def measure(session: aiohttp.ClientSession, proxy: Proxy, found: dict) -> None:
    for connections, requests in CONNECTIONS.items():
        times: list[float] = []

        async def worker(count: int, times: list[float] = times) -> None:
            for _ in range(count):
                began = time.perf_counter()
                async with session.post(proxy.url, json=ASK) as response:
                    await response.read()
                times.append(time.perf_counter() - began)

        each = max(1, requests // connections // SLOW.get(proxy.name, 1))
        # Connections that were closed between two turns are opened before anything is counted.
        await asyncio.gather(*(worker(1) for _ in range(connections)))
        times.clear()
        before = proxy.cpu()
        await asyncio.gather(*(worker(each) for _ in range(connections)))
        found[proxy.name, connections].append((proxy.cpu() - before) / len(times) * 1e6)
        if connections == 1:
            found[proxy.name, "p50"].append(statistics.median(times) * 1e3)
    before = proxy.cpu()
    await asyncio.gather(*(stream(session, proxy) for _ in range(STREAMS)))
    found[proxy.name, "chunk"].append((proxy.cpu() - before) / (STREAMS * CHUNKS) * 1e6)


async def stream(session: aiohttp.ClientSession, proxy: Proxy) -> None:
    async with session.post(proxy.url, json={**ASK, "stream": True}) as response:
        said = await response.read()
    assert said.count(b"data: ") == CHUNKS + 1, said[-300:]


async def idle(proxy: Proxy) -> float:
    """CPU share of the pool while nothing happens."""
    before, began = proxy.cpu(), time.monotonic()
    await asyncio.sleep(10)
    return (proxy.cpu() - before) / (time.monotonic() - began)


def show(proxies: list[Proxy], found: dict, idle_share: float, memory: int) -> None:
    columns = [*CONNECTIONS, "chunk", "p50"]
    best = {key: statistics.median(values) for key, values in found.items()}
    print(
        f"{'CPU µs':12}"
        + "".join(f"{f'at {c}' if c in CONNECTIONS else c:>10}" for c in columns[:-1])
        + "  added p50 ms"
    )
    for proxy in proxies[1:]:
        cells = "".join(f"{best[proxy.name, column]:10.0f}" for column in columns[:-1])
        print(f"{proxy.name:12}{cells}{best[proxy.name, 'p50'] - best['direct', 'p50']:14.3f}")
    for other in (proxy.name for proxy in proxies[2:]):
        cells = "".join(f"{best['pool', c] / best[other, c]:10.2f}" for c in columns[:-1])
        print(f"{'pool/' + other:12}{cells}".replace("pool/starlette", "p/starlette "))
    print(f"idle: {idle_share * 100:.2f} % CPU, {memory / 2**20:.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", help="accepted like every bench; not used")
    parser.add_argument("--only", nargs="*", default=[], help="of pool, raw, starlette, nginx")
    given = parser.parse_args()
    asyncio.run(main(given.rounds, given.only))
