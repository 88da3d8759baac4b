"""Many callers at once: what is too much is told to come later, our own queues open no circuit breaker."""

import asyncio
import random

import httpx

from tests.bridge.conftest import Shelf

BACK_PRESSURE = {429, 503}
KEPT, WRITES, DELETES = 20, 30, 90
COUNTS = {"write": WRITES, "delete": DELETES, "search": 80}


async def test_two_hundred_writes_deletes_and_searches_at_once(shelf: Shelf) -> None:
    shelf.put(**{f"old{number}": f"The page {number} is old." for number in range(KEPT)})
    name = {"collection": shelf.name}
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=shelf.client.base_url, timeout=120, limits=limits) as client:

        async def until_taken(method: str, path: str, **request: object) -> int:
            """The status, once the bridge has taken the request."""
            while True:
                answer = await client.request(method, path, **request)  # type: ignore[arg-type]
                if answer.status_code not in BACK_PRESSURE:
                    return answer.status_code
                assert int(answer.headers["retry-after"]) > 0, answer.text
                assert "circuit" not in answer.text
                await asyncio.sleep(0.2)

        def write(number: int):
            rows = [{"id": f"new{number}", "text": f"The page {number} is new."}]
            return until_taken("POST", "/api/v1/documents", json={**name, "documents": rows})

        def delete(number: int):
            return until_taken("DELETE", f"/api/v1/documents/old{number % KEPT}", params=name)

        def search(number: int):
            request = {**name, "query": f"Which page is number {number}?"}
            return until_taken("POST", "/api/v1/rag/hybrid-search", json=request)

        calls = [(kind, number) for kind, many in COUNTS.items() for number in range(many)]
        random.Random(7).shuffle(calls)
        made = {"write": write, "delete": delete, "search": search}
        ends = await asyncio.gather(*(made[kind](number) for kind, number in calls))
        metrics = (await client.get("/metrics")).text
    found = [(kind, status) for (kind, _), status in zip(calls, ends, strict=True)]
    assert {status for kind, status in found if kind != "delete"} == {200}
    assert (found.count(("delete", 200)), found.count(("delete", 404))) == (KEPT, DELETES - KEPT)
    assert shelf.listed() == sorted(f"new{number}" for number in range(WRITES))
    breakers = [line for line in metrics.splitlines() if line.startswith("store_breaker_open{")]
    assert len(breakers) >= 3
    assert all(line.endswith(" 0.0") for line in breakers), breakers
