"""How the bridge is: asks every store in the background, so that being asked costs nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from servers.bridge.services import Stores
from tools.errors import Capibara6Error
from tools.log import get_logger

EVERY_S = 2.0
log = get_logger("health")


class Health:
    """The last known state of the stores; also starts the repair of what a dead store left behind."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.state: dict[str, dict[str, Any]] = {}

    async def look(self) -> dict[str, dict[str, Any]]:
        """Ask all four stores at once."""
        stores = self.stores
        asked = {
            "milvus": stores.milvus.check(),
            "nebula": stores.nebula.check(),
            "postgres": stores.postgres.check(),
            "redis": stores.redis.check(),
        }
        answers = await asyncio.gather(*asked.values())
        self.state = dict(zip(asked, answers, strict=True))
        return self.state

    def summary(self) -> dict[str, Any]:
        """`{status, stores}`: down without Milvus and PostgreSQL both, degraded without any of the four."""
        states = {name: item["status"] for name, item in self.state.items()}
        dead = [name for name, status in states.items() if status != "connected"]
        vital = not states or {"milvus", "postgres"} <= set(dead)
        status = "down" if vital else "degraded" if dead else "ok"
        return {"status": status, "stores": states}

    async def watch(self) -> None:
        """Load the embedder, then look again and again; repair when what repair needs is there."""
        await self.look()
        try:
            await self.stores.embedder.load()
        except Capibara6Error as exc:
            log.warning("embedder_away", reason=exc.message)
        while True:
            await self.look()
            if all(item["status"] == "connected" for item in self.state.values()):
                await self._repair()
            await asyncio.sleep(EVERY_S)

    async def _repair(self) -> None:
        try:
            repaired = await self.stores.ingest.repair()
        except Capibara6Error as exc:
            log.warning("repair_failed", reason=exc.message)
            return
        if repaired:
            log.info("repaired", documents=repaired)


@asynccontextmanager
async def watching(stores: Stores) -> AsyncIterator[Health]:
    health = Health(stores)
    task = asyncio.create_task(health.watch())
    try:
        yield health
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
