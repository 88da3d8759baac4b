"""What an agent's answer takes over one search and one call of the model, asked for in turns in one run.

The two calls are those that the agent makes: a search, and the prompt that it sends for it. No question is
asked twice: the bridge keeps what it has answered.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from typing import Any

import aiohttp
import psutil

from agents.chat.prompts import SYSTEM, asked
from tests.bench.parts.running import Running
from tools.schema import Citation

ROUNDS, AT_ONCE = 20, (1, 8)
Measured = tuple[float, float]
"""Milliseconds to the first piece of text, and to the end."""


async def own_time(product: Running, questions: Iterator[str], collection: str) -> None:
    """Print for one and for eight callers the medians of both, their ratio, and the CPU of each service."""
    # A server closes what is idle for 5 s: leaving earlier means never meeting one that is closing.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(keepalive_timeout=2)) as http:
        for callers in AT_ONCE:
            await _rounds(product, http, questions, collection, callers, rounds=3)
            both = await _rounds(product, http, questions, collection, callers)
            _tell(callers, *both)
        for name, way in (("agent", _agent), ("search + model", _calls)):
            await _cpu(product, http, questions, collection, name, way)


async def _rounds(
    product: Running,
    http: aiohttp.ClientSession,
    questions: Iterator[str],
    collection: str,
    callers: int,
    rounds: int = ROUNDS,
) -> tuple[list[Measured], list[Measured]]:
    found: tuple[list[Measured], list[Measured]] = ([], [])
    for _ in range(rounds):
        for times, way in zip(found, (_agent, _calls), strict=True):
            group = list(islice(questions, callers))
            times.extend(await asyncio.gather(*(way(product, http, one, collection) for one in group)))
    return found


async def _agent(product: Running, http: aiohttp.ClientSession, question: str, collection: str) -> Measured:
    body = {
        "model": "capibara6",
        "stream": True,
        "messages": [{"role": "user", "content": question}],
        "metadata": {"collection": collection},
    }
    return await _streamed(http, f"{product.settings.api_url}/v1/chat/completions", body)


async def _calls(product: Running, http: aiohttp.ClientSession, question: str, collection: str) -> Measured:
    settings, started = product.settings, time.perf_counter()
    search = {"query": question, "collection": collection, "top_k": settings.chat.top_k}
    async with http.post(f"{settings.bridge_url}/api/v1/rag/hybrid-search", json=search) as response:
        hits = (await response.json())["results"]
    fields = ("title", "source", "document_id", "text")
    sources = [Citation(n=n, **{name: hit[name] for name in fields}) for n, hit in enumerate(hits, 1)]
    messages = [
        {"role": "system", "content": SYSTEM["es"]},
        {"role": "user", "content": asked(question, sources, "es")},
    ]
    body = {"model": "extractive", "stream": True, "messages": messages}
    before = (time.perf_counter() - started) * 1000
    first, end = await _streamed(http, f"{settings.pool_url}/v1/chat/completions", body)
    return before + first, before + end


async def _streamed(http: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> Measured:
    started, first = time.perf_counter(), 0.0
    async with http.post(url, json=body) as response:
        assert response.status == 200, await response.text()
        async for line in response.content:
            if not first and b'"content"' in line and json.loads(line[6:])["choices"][0]["delta"]["content"]:
                first = (time.perf_counter() - started) * 1000
    return first, (time.perf_counter() - started) * 1000


def _tell(callers: int, agent: list[Measured], calls: list[Measured]) -> None:
    (first, whole), (first_of_two, both) = (
        (statistics.median(one[0] for one in times), statistics.median(one[1] for one in times))
        for times in (agent, calls)
    )
    print(
        f"{callers} callers: agent {whole:.1f} ms, search and model {both:.1f} ms, {whole / both:.2f} × · "
        f"first token {first:.1f} ms, {first - first_of_two:+.1f} ms"
    )


Way = Callable[[Running, aiohttp.ClientSession, str, str], Awaitable[Measured]]


async def _cpu(
    product: Running,
    http: aiohttp.ClientSession,
    questions: Iterator[str],
    collection: str,
    name: str,
    way: Way,
) -> None:
    processes = {one: product.processes[one] for one in ("api", "bridge", "pool")}
    before = {one: _spent(process) for one, process in processes.items()}
    for question in islice(questions, ROUNDS):
        await way(product, http, question, collection)
    each = {one: (_spent(process) - before[one]) * 1000 / ROUNDS for one, process in processes.items()}
    print(f"CPU of {name}: {', '.join(f'{one} {ms:.1f} ms' for one, ms in each.items())}")


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
