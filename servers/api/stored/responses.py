"""Stored responses of OpenAI's API: a row each, its owner's alone, with the conversation up to it.

They are pruned as runs are (`agents.keep_runs_days`).
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import Field, SQLModel, col, delete

from servers.api.runs.tables import Moment, now, open_session
from tools.access.identity import Principal
from tools.errors import NotFound
from tools.schema import JsonObject


class ResponseRow(SQLModel, table=True):
    """`body` is OpenAI's response object, `given` the input items of its request, `messages` the conversation
    up to it and with it, as chat messages, which a later one goes on from."""

    __tablename__ = "responses"  # type: ignore[assignment]  # SQLModel types it as a declared attribute

    response_id: str = Field(primary_key=True)
    tenant: str
    owner: str
    body: JsonObject = Field(sa_column=Column("body", JSON))
    given: list[Any] = Field(sa_column=Column("given", JSON))
    messages: list[Any] = Field(sa_column=Column("messages", JSON))
    created_at: datetime = Field(default_factory=now, sa_type=Moment, index=True)


class StoredResponses:
    """Reads, writes and deletes the rows; another's are not there."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    async def insert(self, body: JsonObject, by: Principal, *, given: list[Any], messages: list[Any]) -> None:
        """Keep a response that has ended."""
        row = ResponseRow(
            response_id=body["id"], tenant=by.tenant, owner=by.user, body=body, given=given, messages=messages
        )
        async with open_session(self.engine) as session:
            session.add(row)
            await session.commit()

    async def get(self, response_id: str, by: Principal, *, param: str = "response_id") -> ResponseRow:
        """The caller's own response. Raises NotFound, which names `param`."""
        async with open_session(self.engine) as session:
            row = await session.get(ResponseRow, response_id)
        if row is None or (row.tenant, row.owner) != (by.tenant, by.user):
            raise NotFound(f"there is no response {response_id[:128]!r}", param=param, source="api")
        return row

    async def delete(self, response_id: str, by: Principal) -> None:
        """Delete the caller's own response. Raises NotFound."""
        await self.get(response_id, by)
        async with open_session(self.engine) as session:
            await session.exec(delete(ResponseRow).where(col(ResponseRow.response_id) == response_id))
            await session.commit()

    async def prune(self, before: datetime) -> int:
        """Delete what was made before a moment; returns how many."""
        async with open_session(self.engine) as session:
            result = await session.exec(delete(ResponseRow).where(col(ResponseRow.created_at) < before))
            await session.commit()
        return result.rowcount
