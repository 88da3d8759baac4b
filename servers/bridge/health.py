"""Health and metrics of the stores: asked in the background, so that reading them costs a request nothing.

When all four stores answer it also starts the repair of what a dead one left behind; the repair itself is
`ingest.pipeline`'s.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector
from pydantic import BaseModel

from servers.bridge.clients.store_client import StoreClient, StoreStatus
from servers.bridge.services import Services
from tools.errors import Capibara6Error
from tools.log import get_logger

INTERVAL_S = 2.0
log = get_logger("health")


class HealthSummary(BaseModel):
    """`down` without Milvus and PostgreSQL both, `degraded` without any of the four; a status by store."""

    status: Literal["ok", "degraded", "down"]
    stores: dict[str, str]


class Health:
    """The last known status of each store, by name; none before the first check."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.statuses: dict[str, StoreStatus] = {}

    async def check(self) -> dict[str, StoreStatus]:
        """Ask all four stores at once."""
        services = self.services
        checks = {
            "milvus": services.milvus.check(),
            "nebula": services.nebula.check(),
            "postgres": services.postgres.check(),
            "redis": services.redis.check(),
        }
        answers = await asyncio.gather(*checks.values())
        self.statuses = dict(zip(checks, answers, strict=True))
        return self.statuses

    def summary(self) -> HealthSummary:
        """Of the last check."""
        stores: dict[str, str] = {name: item.status for name, item in self.statuses.items()}
        dead = [name for name, status in stores.items() if status != "connected"]
        if not stores or {"milvus", "postgres"} <= set(dead):
            return HealthSummary(status="down", stores=stores)
        return HealthSummary(status="degraded" if dead else "ok", stores=stores)

    async def watch(self) -> None:
        """Load the embedder, then check every `INTERVAL_S` seconds; repair when every store answers."""
        await self.check()
        try:
            await self.services.embedder.load()
        except Capibara6Error as exc:
            log.warning("embedder_away", reason=exc.message)
        while True:
            await self.check()
            if all(item.status == "connected" for item in self.statuses.values()):
                await self._repair()
            await asyncio.sleep(INTERVAL_S)

    async def _repair(self) -> None:
        try:
            repaired = await self.services.ingest.repair()
        except Capibara6Error as exc:
            log.warning("repair_failed", reason=exc.message)
            return
        if repaired:
            log.info("repaired", documents=repaired)


@asynccontextmanager
async def open_health(services: Services) -> AsyncIterator[Health]:
    """A `Health` whose watch runs for as long as the block lasts."""
    health = Health(services)
    task = asyncio.create_task(health.watch())
    try:
        yield health
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class StoreMetrics(Collector):
    """The stores' part of `/metrics`: calls, seconds, errors, and whether the circuit breaker is open.

    It reads the counters that the clients keep, when somebody asks."""

    def __init__(self, clients: Callable[[], Iterable[StoreClient]]) -> None:
        self.clients = clients

    def collect(self) -> Iterator[Metric]:
        """Called by Prometheus' client."""
        labels = ["store"]
        calls = CounterMetricFamily("store_calls", "Calls to a store", labels=labels)
        errors = CounterMetricFamily("store_errors", "Calls that the store failed", labels=labels)
        seconds = SummaryMetricFamily("store_seconds", "Time in a store's calls", labels=labels)
        breaker = GaugeMetricFamily("store_breaker_open", "1 while calls are refused", labels=labels)
        for client in self.clients():
            name, counters = [client.source], client.counters
            calls.add_metric(name, counters.calls)
            errors.add_metric(name, counters.errors)
            seconds.add_metric(name, count_value=counters.calls, sum_value=counters.seconds)
            breaker.add_metric(name, int(client.breaker.open))
        yield from (calls, errors, seconds, breaker)
