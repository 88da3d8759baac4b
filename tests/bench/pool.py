"""What a request and a streamed chunk cost in the pool, beside other proxies, in one interleaved run.

CPU µs of the proxy's processes a request at 1, 64 and 256 connections, CPU µs a chunk, added median latency.
Ratios travel between machines, microseconds do not. `python -m tests.bench.pool [--install] [--rounds N]`
LiteLLM and vllm-router have environments of their own in `.bench-envs/`, which `--install` builds.
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

from tests.bench.parts.running import running
from tests.pool.harness import free_port, write_catalog
from tools.sections import Pool

PARTS = Path(__file__).parent / "parts" / "pool.py"
ASK = {"model": "m", "messages": [{"role": "user", "content": "hola"}]}
CONNECTIONS = {1: 500, 64: 640, 256: 1024}
SLOW = {"starlette": 4, "litellm": 16}
"""These get a fraction of the requests, or they would be most of the run."""
STREAMS, CHUNKS = 32, 100
WARM, MANY = 20_000, 100_000
"""Memory is compared before and after so many requests."""
ROOT = Path(__file__).parents[2]
ENVS = ROOT / ".bench-envs"
RIVALS = {"litellm": "litellm[proxy]", "vllm-router": "vllm-router"}


class Proxy:
    def __init__(self, name: str, port: int, process: psutil.Popen) -> None:
        self.name, self.url = name, f"http://127.0.0.1:{port}/v1/chat/completions"
        self.process = process

    def cpu(self) -> float:
        """Seconds of the process and its workers. The engines that the pool has started are not counted."""
        family = [self.process, *(self.process.children(recursive=True) if self.name != "pool" else [])]
        # The scheduler's own count is in nanoseconds; the usual one advances by 10 ms.
        threads = [thread for each in family for thread in Path(f"/proc/{each.pid}/task").iterdir()]
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


async def main(rounds: int, only: list[str], many: int) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        proxies = start(Path(folder), stack, only or ["pool", "raw", "starlette", "nginx", *RIVALS])
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
        async with aiohttp.ClientSession(connector=connector) as session:
            proxies = [proxy for proxy in proxies if await answering(session, proxy)]
            found = defaultdict(list)
            for _ in range(rounds):
                for proxy in proxies:
                    await measure(session, proxy, found)
            show(proxies, found)
            pool = next(proxy for proxy in proxies if proxy.name == "pool")
            await asyncio.sleep(5)
            await idle(pool)
            if many:
                await memory(session, pool, many)


def start(folder: Path, stack: contextlib.ExitStack, wanted: list[str]) -> list[Proxy]:
    """The engine, the pool, and of the others those that are wanted and here."""

    def run(*words: str, **more: str) -> psutil.Popen:
        environment = {**os.environ, "PYTHONWARNINGS": "ignore", **more}
        log = stack.enter_context((folder / f"{Path(words[-1]).name}.log").open("wb"))
        popen = psutil.Popen(words, env=environment, stdout=log, stderr=log)
        stack.callback(popen.wait)
        stack.callback(popen.terminate)
        return popen

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    engine = run(sys.executable, str(PARTS), "engine", "--port", str(port), "--name", "m", "--nonce", "n")
    proxies = [Proxy("direct", port, engine), *pool(folder, stack, api="api" in wanted)]
    for name in wanted:
        port = free_port()
        if name in ("raw", "starlette"):
            proxies.append(Proxy(name, port, run(sys.executable, str(PARTS), name, str(port), url)))
        elif name == "nginx" and shutil.which("nginx"):
            proxies.append(Proxy(name, port, run("nginx", "-p", str(folder), "-c", nginx(folder, port, url))))
        elif name == "nginx":
            print("nginx: skipped, it is not here (Debian: nginx-light)")
        elif name in RIVALS and not program(name).exists():
            print(f"{name}: skipped, it is not in {ENVS.name}/ (build that with --install)")
        elif name == "litellm":
            config = folder / "litellm.yaml"
            config.write_text(LITELLM.format(url=url))
            words = [str(program(name)), "--host", "127.0.0.1", "--port", str(port), "--config", str(config)]
            proxies.append(Proxy(name, port, run(*words, LITELLM_LOCAL_MODEL_COST_MAP="True")))
        elif name == "vllm-router":
            words = ["--host", "127.0.0.1", "--port", str(port), "--prometheus-port", str(free_port())]
            words += ["--policy", "round_robin", "--log-level", "error", "--worker-urls", url]
            proxies.append(Proxy(name, port, run(str(program(name)), *words)))
    return proxies


def pool(folder: Path, stack: contextlib.ExitStack, *, api: bool) -> list[Proxy]:
    """As `up` starts it, with the settings it ships but for a catalogue of one cheap engine; and the API
    before it, which carries its models."""
    line = [sys.executable, str(PARTS), "engine"]
    for word in ("port", "name", "nonce"):
        line += [f"--{word}", f"{{{word}}}"]
    entry = {"backend": "vllm", "command": line, "concurrency": 512}
    catalog = write_catalog(folder / "models.toml", {"m": entry})
    # The engine is no vLLM: it needs no environment of vLLM's.
    chosen = Pool(catalog=catalog, vllm_python=Path(sys.executable))
    names = ("pool", "api") if api else ("pool",)
    product = stack.enter_context(running(*names, stores=(), pool=chosen))
    return [Proxy(name, getattr(product.settings.ports, name), product.processes[name]) for name in names]


LITELLM = """model_list:
  - model_name: m
    litellm_params: {{model: openai/m, api_base: "{url}/v1", api_key: none}}
litellm_settings: {{telemetry: false}}
general_settings: {{dangerously_permit_weak_or_unset_master_key: true}}
"""


def program(name: str) -> Path:
    return ENVS / name / "bin" / name


def install() -> None:
    """Build the environments of LiteLLM and vllm-router; what does not install is skipped with a word."""
    uv = str(Path(sys.executable).with_name("uv"))
    for name, package in RIVALS.items():
        if program(name).exists():
            continue
        python = ENVS / name / "bin/python"
        steps = [["venv", "-q", str(ENVS / name)], ["pip", "install", "-q", "--python", str(python), package]]
        failed = next(
            (step for step in steps if subprocess.run([uv, *step], check=False, timeout=900).returncode), None
        )
        if failed:
            print(f"{name}: did not install: uv {' '.join(failed)}")
            shutil.rmtree(ENVS / name, ignore_errors=True)


def nginx(folder: Path, port: int, url: str) -> str:
    """Its configuration: one worker, connections kept, nothing written."""
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        "events { worker_connections 2048; }\n"
        f"http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n"
        f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f"upstream engine {{ server {url.removeprefix('http://')}; keepalive 512; }}\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://engine; proxy_buffering off;\n"
        'proxy_http_version 1.1; proxy_set_header Connection ""; }} }} }}\n'.replace("}}", "}")
    )
    return str(file)


async def answering(session: aiohttp.ClientSession, proxy: Proxy) -> bool:
    """Wait until it answers. One that does not is left out, with a word."""
    for _ in range(1200):
        if proxy.process.poll() is not None:
            break
        with contextlib.suppress(aiohttp.ClientError):
            async with session.post(proxy.url, json=ASK) as response:
                await response.read()
                if response.status == 200:
                    return True
        await asyncio.sleep(0.1)
    print(f"{proxy.name}: skipped, it does not answer (exit code {proxy.process.poll()})")
    return False


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
    assert said.count(b"data: ") > CHUNKS and said.rstrip().endswith(b"[DONE]"), said[-300:]


async def idle(pool: Proxy) -> None:
    """CPU share and memory of the pool while nothing happens."""
    before, began = pool.cpu(), time.monotonic()
    await asyncio.sleep(10)
    share = (pool.cpu() - before) / (time.monotonic() - began)
    print(f"idle: {share * 100:.2f} % CPU, {pool.process.memory_info().rss / 2**20:.0f} MiB")


async def memory(session: aiohttp.ClientSession, pool: Proxy, many: int) -> None:
    """What the pool's memory grows by over many requests, a tenth of them streams that are left early."""

    async def worker(count: int) -> None:
        for number in range(count):
            body = {**ASK, "stream": number % 10 == 0}
            async with session.post(pool.url, json=body) as response:
                await (response.content.readany() if body["stream"] else response.read())

    sizes = []
    for count in (min(WARM, many), many):
        await asyncio.gather(*(worker(count // 64) for _ in range(64)))
        await asyncio.sleep(1)
        sizes.append(pool.process.memory_info().rss / 2**20)
    print(f"memory over {many:,} requests: {sizes[0]:.1f} → {sizes[1]:.1f} MiB")


def show(proxies: list[Proxy], found: dict) -> None:
    columns = [*CONNECTIONS, "chunk"]
    middle = {key: statistics.median(values) for key, values in found.items()}
    titles = "".join(f"{f'at {c}' if c in CONNECTIONS else c:>10}" for c in columns)
    print(f"{'CPU µs':16}{titles}  added p50 ms")
    for proxy in proxies[1:]:
        cells = "".join(f"{middle[proxy.name, column]:10.0f}" for column in columns)
        print(f"{proxy.name:16}{cells}{middle[proxy.name, 'p50'] - middle['direct', 'p50']:14.3f}")
    for other in proxies[2:]:
        cells = "".join(f"{middle['pool', c] / middle[other.name, c]:10.2f}" for c in columns)
        print(f"{'pool/' + other.name:16}{cells}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", nargs="*", default=[], help="of api, raw, starlette, nginx, litellm, vllm-router"
    )
    parser.add_argument("--many", type=int, default=MANY, help="requests that memory is measured over")
    parser.add_argument("--install", action="store_true", help="build .bench-envs/ first")
    given = parser.parse_args()
    if given.install:
        install()
    asyncio.run(main(given.rounds, given.only, given.many))
