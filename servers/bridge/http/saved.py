"""What people leave behind: conversations that they asked to keep, and addresses to answer to.

The SQL door does not read these tables; each tenant lists its own here.
"""

import uuid
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from servers.bridge.clients.postgres.client import Postgres
from servers.bridge.http.dependencies import Open, Reads, Writes
from servers.bridge.http.fields import Extra, Text
from servers.bridge.manifest.tables import ConversationRow, LeadRow
from tools.schema import Wire

router = APIRouter(prefix="/api/v1", tags=["saved"])
SAME = uuid.UUID("8b0c6a1e-53c1-5b0f-9d55-0c4f1d3f8a27")
Key = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]


class Message(Wire):
    role: Text = Field(min_length=1, max_length=32)
    content: Text = Field(max_length=100_000)


class Conversation(Wire):
    """The same id replaces what was kept before."""

    id: Key
    title: Text = Field("", max_length=300)
    messages: list[Message] = Field(min_length=1, max_length=1_000)
    metadata: Extra = Field(default_factory=dict)


class Lead(Wire):
    """Without an id, the same address with the same message is the same lead."""

    id: Key | None = None
    email: Text = Field(min_length=3, max_length=320, pattern=r"^[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+$")
    name: Text = Field("", max_length=200)
    message: Text = Field("", max_length=10_000)
    metadata: Extra = Field(default_factory=dict)


class ConversationView(BaseModel):
    id: str
    title: str
    messages: list[dict[str, Any]]
    metadata: dict[str, Any]
    updated_at: datetime | None


class LeadView(BaseModel):
    id: str
    email: str
    name: str
    message: str
    metadata: dict[str, Any]
    created_at: datetime | None


@router.post("/conversations")
async def save_conversation(body: Conversation, stores: Open, tenant: Writes) -> dict[str, Any]:
    return await _save(stores.postgres, ConversationRow, tenant, body.model_dump())


@router.get("/conversations")
async def conversations(stores: Open, tenant: Reads, limit: Limit = 20, offset: Offset = 0) -> dict[str, Any]:
    rows, total = await _listed(stores.postgres, ConversationRow, tenant, "updated_at", limit, offset)
    views = [ConversationView(**row.model_dump(), metadata=row.meta) for row in rows]
    return {"conversations": views, "total": total}


@router.post("/leads")
async def save_lead(body: Lead, stores: Open, tenant: Writes) -> dict[str, Any]:
    values = body.model_dump()
    values["email"] = body.email.strip().lower()
    values["id"] = body.id or str(uuid.uuid5(SAME, f"{values['email']}\n{body.message.strip()}"))
    return await _save(stores.postgres, LeadRow, tenant, values)


@router.get("/leads")
async def leads(stores: Open, tenant: Reads, limit: Limit = 20, offset: Offset = 0) -> dict[str, Any]:
    rows, total = await _listed(stores.postgres, LeadRow, tenant, "created_at", limit, offset)
    return {"leads": [LeadView(**row.model_dump(), metadata=row.meta) for row in rows], "total": total}


async def _save(postgres: Postgres, table: Any, tenant: str, values: dict[str, Any]) -> dict[str, Any]:
    key = {"tenant": tenant, "id": values["id"]}
    stamped = {"updated_at": func.now()} if "updated_at" in table.model_fields else {}
    changed = {name: value for name, value in values.items() if name != "id"} | stamped
    new = insert(table.__table__).values(**key, **changed)
    async with postgres.session() as session:
        await session.execute(new.on_conflict_do_update(index_elements=list(key), set_=changed))
    return {"id": values["id"], "stored": True}


async def _listed(
    postgres: Postgres, table: Any, tenant: str, newest: str, limit: int, offset: int
) -> tuple[list[Any], int]:
    """A tenant's rows, newest first, and how many there are."""
    mine = table.tenant == tenant
    order = (getattr(table, newest).desc(), table.id)
    async with postgres.session() as session:
        total = await session.scalar(select(func.count()).select_from(table).where(mine))
        found = await session.scalars(select(table).where(mine).order_by(*order).limit(limit).offset(offset))
        return list(found), total or 0
