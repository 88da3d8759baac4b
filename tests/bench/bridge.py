"""What the bridge adds to a bare store call: p50 through HTTP beside the client's own, in one run.

python -m tests.bench.bridge [--rounds N] [--seconds N]

The bridge is a process of its own with the settings it ships. Bare is each store's own client on a warm
connection of this process, its answer decoded. Bare calls, calls through HTTP and
the empty route take turns, so that what else the machine does falls on all alike. CPU is the bridge's own, a
request. The empty route is `/health/live`, which needs no key and is not written down; beside it stands the
rate of a route of the API that asks no store.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psutil
import psycopg
import uvloop
from nebula3.Config import Config
from nebula3.gclient.net import ConnectionPool

from servers.bridge.clients.milvus.client import OUTPUT_FIELDS
from servers.bridge.services import Services, open_services
from tests.bench.parts.client import Line, get, open_lines, post
from tests.bench.parts.running import ingested, running
from tools.clients.bridge import open_bridge
from tools.schema import Document
from tools.settings import Settings

LIMITS_MS = {"redis": 0.6, "postgres": 1.5, "milvus": 1.0, "nebula": 1.0}
CONNECTIONS = 64
SQL = "SELECT id FROM documents LIMIT 10"
VECTOR = [1.0] + [0.0] * 383
EMPTY = get("/health/live")
ASKS_NOBODY = get("/api/v1/embedders")
REQUESTS = {
    "redis": get("/api/v1/redis/get?key=bench"),
    "postgres": post("/api/v1/postgres/query", {"query": SQL}),
    "milvus": post("/api/v1/milvus/search", {"collection": "bench", "vector": VECTOR, "top_k": 10}),
    "nebula": post("/api/v1/nebula/query", {"space": "bench", "query": "YIELD 1"}),
}
Call = Callable[[], Awaitable[object]]


@asynccontextmanager
async def bare_calls(stores: Services, settings: Settings) -> AsyncIterator[dict[str, Call]]:
    location = stores.repository.location("default", "bench")
    fields = [name for name in OUTPUT_FIELDS if name != "heading"]
    async with await psycopg.AsyncConnection.connect(settings.postgres_dsn, autocommit=True) as connection:

        async def sql() -> object:
            return await (await connection.execute(SQL)).fetchall()

        async def milvus() -> object:
            found = await stores.milvus.client.search(
                location.physical, data=[VECTOR], anns_field="dense", limit=10, output_fields=fields
            )
            return [dict(hit["entity"]) for hit in found[0]]

        pool = ConnectionPool()
        assert pool.init([settings.nebula_address], Config())
        session = pool.get_session(settings.stores.nebula_user, settings.nebula_password)
        session.execute("USE bench")

        async def nebula() -> object:
            result = session.execute("YIELD 1")
            return [[cell.cast_primitive() for cell in result.row_values(0)]]

        yield {
            "redis": lambda: stores.redis.connection.get("capibara6:default:kv:bench"),
            "postgres": sql,
            "milvus": milvus,
            "nebula": nebula,
        }
        session.release()


async def medians(calls: list[Call], rounds: int) -> list[float]:
    """Milliseconds of each, in turn; the first tenth warms up."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, taken in zip(calls, times, strict=True):
            before = time.perf_counter()
            await call()
            taken.append((time.perf_counter() - before) * 1_000)
    return [statistics.median(taken[rounds // 10 :]) for taken in times]


async def cpu_ms(bridge: psutil.Process, call: Call, rounds: int) -> float:
    before = bridge.cpu_times()
    for _ in range(rounds):
        await call()
    after = bridge.cpu_times()
    return (after.user + after.system - before.user - before.system) * 1_000 / rounds


async def load(lines: list[Line], requests: list[bytes], seconds: float) -> tuple[int, list[float]]:
    """How many were answered, and how long each took in ms."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    async def one(line: Line, number: int) -> None:
        while time.perf_counter() < until:
            before = time.perf_counter()
            await line.send(requests[number % len(requests)])
            times.append((time.perf_counter() - before) * 1_000)
            number += 1

    await asyncio.gather(*(one(line, number) for number, line in enumerate(lines)))
    return len(times), times


def cpu_seconds() -> dict[str, float]:
    """What each program under this one, and this one, the client, has used so far."""
    used: defaultdict[str, float] = defaultdict(float)
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            words, times = process.cmdline(), process.cpu_times()
            name = "client" if process == me else words[-1] if "serve" in words else process.name()
            used[name] += times.user + times.system
    return used


async def mixed(lines: list[Line], seconds: float) -> None:
    """Slices of the empty route and of the mix in turn. What a request costs all programs together bounds the
    rate on one machine, whatever the bridge does."""
    empty = plain = many = 0
    times: list[float] = []
    spent: defaultdict[str, float] = defaultdict(float)
    await load(lines, list(REQUESTS.values()), 1.0)
    for _ in range(int(seconds)):
        empty += (await load(lines, [EMPTY], 1.0))[0]
        plain += (await load(lines, [ASKS_NOBODY], 1.0))[0]
        before = cpu_seconds()
        count, taken = await load(lines, list(REQUESTS.values()), 1.0)
        for name, used in cpu_seconds().items():
            spent[name] += used - before.get(name, 0.0)
        many, times = many + count, times + taken
    ordered = sorted(times)
    middle, worst = ordered[len(times) // 2], ordered[int(len(times) * 0.99)]
    print(
        f"mixed: {many / empty:.2f} of an empty route's {empty / int(seconds):.0f} a second (limit 0.5), "
        f"{many / plain:.2f} of a route's that asks no store; "
        f"p50 {middle:.0f} ms, p99 {worst / middle:.1f} x p50 (limit 8)"
    )
    largest = sorted(spent.items(), key=lambda item: -item[1])[:8]
    shares = ", ".join(f"{name} {used * 1_000 / many:.2f}" for name, used in largest)
    most = (os.cpu_count() or 1) * many / sum(spent.values())
    print(f"CPU of a mixed request, ms: {shares}; this machine's cores could do {most:.0f} a second")


async def prepared(settings: Settings, line: Line) -> None:
    """What the calls ask for, written through the bridge."""
    text = "The pool keeps three models loaded. "
    documents = [Document(id=f"d{n}", text=f"{text} Number {n}.") for n in range(200)]
    async with open_bridge(settings) as bridge:
        await ingested(bridge, documents, collection="bench")
    await line.send(post("/api/v1/redis/set", {"key": "bench", "value": "x"}))


async def compared(settings: Settings, line: Line, rounds: int, bridge: psutil.Process) -> None:
    """A line each store; then a search that was answered before."""

    def through(request: bytes) -> Call:
        return lambda: line.send(request)

    print(f"{'':<10}{'bare':>8}{'HTTP':>8}{'empty':>8}{'added':>8}{'limit':>8}{'CPU':>8}   ms, p50")
    async with open_services(settings) as stores, bare_calls(stores, settings) as bare:
        for name, request in REQUESTS.items():
            turns = [bare[name], through(request), through(EMPTY)]
            alone, whole, empty = await medians(turns, rounds)
            used = await cpu_ms(bridge, through(request), rounds)
            print(
                f"{name:<10}{alone:>8.2f}{whole:>8.2f}{empty:>8.2f}{whole - alone:>8.2f}"
                f"{LIMITS_MS[name]:>8.1f}{used:>8.2f}"
            )
    search = post("/api/v1/rag/hybrid-search", {"query": "how many models", "collection": "bench"})
    cached, empty = await medians([through(search), through(EMPTY)], rounds)
    print(f"cached hybrid-search: {cached - empty:.2f} ms over an empty route (limit 2)")


async def main(settings: Settings, rounds: int, seconds: float, bridge: psutil.Process) -> None:
    async with open_lines(settings.ports.bridge, 1) as (line,):
        await prepared(settings, line)
        await compared(settings, line, rounds, bridge)
    async with open_lines(settings.ports.bridge, CONNECTIONS) as many:
        await mixed(many, seconds)
    used = bridge.memory_full_info()
    print(f"memory: {used.pss / 2**20:.0f} MB of its own, {used.rss / 2**20:.0f} MB resident (limit 350)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=5)
    given = parser.parse_args()
    with running("bridge") as product:
        uvloop.run(main(product.settings, given.rounds, given.seconds, product.processes["bridge"]))
