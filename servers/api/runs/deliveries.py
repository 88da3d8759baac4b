"""The outbox of run webhooks: who is told how a run ended, kept with the ending itself and sent until it is
taken. Redirects are not followed, and nothing inside is reached (`tools/fetch.py`).
"""

import asyncio
from datetime import datetime, timedelta

import orjson
from sqlalchemy import JSON, Column
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import Field, SQLModel, col, select

from servers.api.runs.tables import STORE_ERRORS, Moment, RunRow, now, open_session
from tools import fetch
from tools.errors import BadRequest, Capibara6Error, Forbidden
from tools.log import get_logger
from tools.schema import JsonObject
from tools.sections import Fetch

ATTEMPTS = 8
PAUSE_S, SECONDS = 5.0, 20.0
"""The pause after the first failure, twice as long after each, and what one delivery may take."""
AT_ONCE = 8
IDLE_S = 30.0
"""How often it is looked whether something is due, when nobody says so."""

log = get_logger("runs")


class DeliveryRow(SQLModel, table=True):
    """What is to be sent where, and when next."""

    __tablename__ = "deliveries"  # type: ignore[assignment]  # SQLModel types it as a declared attribute

    run_id: str = Field(primary_key=True)
    url: str
    body: JsonObject = Field(sa_column=Column("body", JSON))
    attempts: int = 0
    due_at: datetime = Field(default_factory=now, sa_type=Moment, index=True)


def delivery_of(row: RunRow, values: JsonObject) -> DeliveryRow | None:
    """What an ended run's webhook is told: the run, what its thread holds, and its error if it has one."""
    url = row.request.get("webhook")
    if url is None:
        return None
    body = {
        "run_id": row.run_id,
        "thread_id": None if row.stateless else row.thread_id.rpartition("/")[2],
        "assistant_id": row.agent_id,
        "status": row.status,
        "metadata": row.meta,
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
        "values": values,
        "error": (row.ending or {}).get("error"),
    }
    return DeliveryRow(run_id=row.run_id, url=url, body=body)


async def check_webhook(url: str, rules: Fetch) -> None:
    """Raises `BadRequest` for what is no web address, `Forbidden` for one inside, `Unavailable` for a name
    without address."""
    address = fetch.parse(url)
    fetch.choose(await fetch.resolve(address.host, address.port), address.host, rules)


class Outbox:
    """Sends deliveries until they are taken, `ATTEMPTS` times at most."""

    def __init__(self, engine: AsyncEngine, rules: Fetch) -> None:
        self.engine = engine
        self.rules = rules.model_copy(update={"seconds": min(rules.seconds, SECONDS)})
        self.waiting = asyncio.Event()

    async def run(self) -> None:
        """Send what is due, for ever; a store that fails is asked again."""
        while True:
            self.waiting.clear()
            try:
                due = await self._due()
                await asyncio.gather(*(self._send(row) for row in due))
            except STORE_ERRORS as exc:
                log.error("outbox_failed", reason=str(exc))
                due = []
            if len(due) < AT_ONCE:
                await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(IDLE_S):
                await self.waiting.wait()
        except TimeoutError:
            return

    async def _due(self) -> list[DeliveryRow]:
        query = select(DeliveryRow).where(col(DeliveryRow.due_at) <= now())
        query = query.order_by(col(DeliveryRow.due_at)).limit(AT_ONCE)
        async with open_session(self.engine) as session:
            return list((await session.exec(query)).all())

    async def _send(self, row: DeliveryRow) -> None:
        order = fetch.Order(
            method="POST",
            headers={"content-type": "application/json", "idempotency-key": row.run_id},
            content=orjson.dumps(row.body),
            redirects=0,
            wanted=lambda url, content_type: False,
        )
        try:
            await fetch.fetch(row.url, rules=self.rules, order=order)
        except Capibara6Error as exc:
            row.attempts += 1
            row.due_at = now() + timedelta(seconds=PAUSE_S * 2 ** (row.attempts - 1))
            lost = row.attempts >= ATTEMPTS or isinstance(exc, (Forbidden, BadRequest))
            log.warning("webhook_failed", run_id=row.run_id, code=exc.code, attempt=row.attempts, lost=lost)
        else:
            lost = True  # it is taken: there is nothing left to send
        async with open_session(self.engine) as session:
            kept = await session.merge(row)
            if lost:
                await session.delete(kept)
            await session.commit()
