"""What the bridge adds to a bare store call: p50 through HTTP beside the client's own, in one run.

python -m tests.bench.bridge [--rounds N]
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import psutil

from servers.bridge.stores import Stores
from servers.bridge.stores import open_stores as open_bridge
from servers.stores import open_stores
from tests.bridge.conftest import ALL, connected, listening, serving, wait_until
from tests.conftest import settings_in
from tools.schema import Document
from tools.settings import Settings

LIMITS_MS = {"redis": 0.6, "postgres": 1.5, "milvus": 1.0, "nebula": 1.0}
Call = Callable[[], Awaitable[object]]


async def p50(call: Call, rounds: int) -> float:
    """Milliseconds; the first tenth warms up."""
    times = []
    for _ in range(rounds):
        before = time.perf_counter()
        await call()
        times.append((time.perf_counter() - before) * 1_000)
    return statistics.median(times[rounds // 10 :])


async def both(bare: Call, through: Call, rounds: int) -> tuple[float, float]:
    """Both medians in ms, call by call in turn: what else the machine does falls on both alike."""
    alone, whole = [], []
    for _ in range(rounds):
        for call, times in ((bare, alone), (through, whole)):
            before = time.perf_counter()
            await call()
            times.append((time.perf_counter() - before) * 1_000)
    return statistics.median(alone[rounds // 10 :]), statistics.median(whole[rounds // 10 :])


def pairs(stores: Stores, client: httpx.AsyncClient) -> dict[str, tuple[Call, Call]]:
    """`(bare, through HTTP)` for each store."""
    place = stores.library.place("default", "bench")
    vector = [1.0] + [0.0] * 383

    def post(path: str, body: dict) -> Call:
        return lambda: client.post(path, json=body)

    async def bare_sql() -> object:
        async with stores.postgres.reading() as connection:
            return await connection.exec_driver_sql("SELECT id FROM documents LIMIT 10")

    sql = {"query": "SELECT id FROM documents LIMIT 10"}
    search = {"collection": "bench", "vector": vector, "top_k": 10}
    return {
        "redis": (
            lambda: stores.redis.get("capibara6:default:kv:bench"),
            lambda: client.get("/api/v1/redis/get", params={"key": "bench"}),
        ),
        "postgres": (bare_sql, post("/api/v1/postgres/query", sql)),
        "milvus": (
            lambda: stores.milvus.dense(place.physical, vector, limit=10),
            post("/api/v1/milvus/search", search),
        ),
        "nebula": (
            lambda: stores.nebula.execute("bench", "YIELD 1"),
            post("/api/v1/nebula/query", {"space": "bench", "query": "YIELD 1"}),
        ),
    }


async def mixed(client: httpx.AsyncClient, calls: list[Call], seconds: float) -> tuple[float, float, float]:
    """Rate of 64 connections, p50 and p99 in ms."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    async def one(number: int) -> None:
        while time.perf_counter() < until:
            before = time.perf_counter()
            answer = await calls[number % len(calls)]()
            assert isinstance(answer, httpx.Response)
            assert answer.status_code < 400, answer.text
            times.append((time.perf_counter() - before) * 1_000)
            number += 1

    await asyncio.gather(*(one(number) for number in range(64)))
    ordered = sorted(times)
    return len(times) / seconds, ordered[len(times) // 2], ordered[int(len(times) * 0.99)]


async def main(settings: Settings, rounds: int, pid: int) -> None:
    limits = httpx.Limits(max_connections=64)
    async with (
        open_bridge(settings) as stores,
        httpx.AsyncClient(base_url=settings.bridge_url, limits=limits, timeout=30.0) as client,
    ):
        text = "The pool keeps three models loaded. "
        documents = [Document(id=f"d{n}", text=f"{text} Number {n}.") for n in range(200)]
        await stores.ingest.upsert("default", "bench", documents)
        await client.post("/api/v1/redis/set", json={"key": "bench", "value": "x"})
        empty = await p50(lambda: client.get("/health/live"), rounds)
        print(f"{'':<10}{'bare':>8}{'HTTP':>8}{'added':>8}{'limit':>8}   ms, p50 (empty route {empty:.2f})")
        calls = pairs(stores, client)
        for name, (bare, through) in calls.items():
            alone, whole = await both(bare, through, rounds)
            print(f"{name:<10}{alone:>8.2f}{whole:>8.2f}{whole - alone:>8.2f}{LIMITS_MS[name]:>8.1f}")
        search = {"query": "how many models are loaded", "collection": "bench"}
        cached = await p50(lambda: client.post("/api/v1/rag/hybrid-search", json=search), rounds)
        print(f"cached hybrid-search: {cached - empty:.2f} ms over an empty route (limit 2)")
        base, _, _ = await mixed(client, [lambda: client.get("/health/live")], 5.0)
        rate, middle, worst = await mixed(client, [through for _, through in calls.values()], 5.0)
        print(f"mixed: {rate / base:.2f} of an empty route's rate, p99 {worst / middle:.1f} x p50")
        used = psutil.Process(pid).memory_full_info()
        print(f"memory: {used.pss / 2**20:.0f} MB of its own, {used.rss / 2**20:.0f} MB resident (limit 350)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="c6-") as home:
        own = settings_in(Path(home))
        with open_stores(own, deadline_s=180.0), serving(own, "graph"), serving(own, "bridge") as child:
            wait_until(lambda: listening(own.ports.nebula), seconds=180)
            with httpx.Client(base_url=own.bridge_url) as probe:
                wait_until(lambda: connected(probe, *ALL), seconds=180)
            asyncio.run(main(own, given.rounds, child.pid))
