"""HTTP routes for saved conversations and leads: upserted by id, listed newest first.

Callers' SQL does not read these tables; each lists their own here, and admins their tenant's.
"""

import uuid
from datetime import datetime
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from servers.bridge.http.caller import Caller
from servers.bridge.http.dependencies import ReadCaller, WriteCaller
from servers.bridge.http.requests import Extra, Text
from servers.bridge.manifest.tables import ConversationRow, LeadRow
from tools.access.identity import LOCAL
from tools.schema import JsonObject, Wire

router = APIRouter(prefix="/api/v1", tags=["saved"])
SavedRow = TypeVar("SavedRow", ConversationRow, LeadRow)
LEAD_NAMESPACE = uuid.UUID("8b0c6a1e-53c1-5b0f-9d55-0c4f1d3f8a27")
Key = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
PageSize = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]


class Message(Wire):
    """One turn of a conversation."""

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


class Saved(BaseModel):
    """The id under which it is stored."""

    id: str
    stored: Literal[True] = True


class ConversationView(BaseModel):
    """A conversation as it was saved last."""

    id: str
    owner: str
    title: str
    messages: list[JsonObject]
    metadata: JsonObject
    updated_at: datetime | None


class ConversationList(BaseModel):
    """One page, newest first, and how many there are in all."""

    conversations: list[ConversationView]
    total: int


class LeadView(BaseModel):
    """A lead; `email` in small letters."""

    id: str
    owner: str
    email: str
    name: str
    message: str
    metadata: JsonObject
    created_at: datetime | None


class LeadList(BaseModel):
    """One page, newest first, and how many there are in all."""

    leads: list[LeadView]
    total: int


@router.post("/conversations")
async def save_conversation(body: Conversation, caller: WriteCaller) -> Saved:
    """Keep a conversation; the same id replaces it."""
    return await _save(caller, ConversationRow, body.model_dump())


@router.get("/conversations")
async def conversations(caller: ReadCaller, limit: PageSize = 20, offset: Offset = 0) -> ConversationList:
    """One page of one's own conversations, or for an admin the tenant's, the last saved first."""
    rows, total = await _listed(caller, ConversationRow, "updated_at", limit, offset)
    views = [ConversationView(**row.model_dump(), metadata=row.meta) for row in rows]
    return ConversationList(conversations=views, total=total)


@router.post("/leads")
async def save_lead(body: Lead, caller: WriteCaller) -> Saved:
    """Keep a lead; the same id, or the same address and message, replaces it."""
    values = body.model_dump()
    values["email"] = body.email.strip().lower()
    values["id"] = body.id or str(uuid.uuid5(LEAD_NAMESPACE, f"{values['email']}\n{body.message.strip()}"))
    return await _save(caller, LeadRow, values)


@router.get("/leads")
async def leads(caller: ReadCaller, limit: PageSize = 20, offset: Offset = 0) -> LeadList:
    """One page of one's own leads, or for an admin the tenant's, the newest first."""
    rows, total = await _listed(caller, LeadRow, "created_at", limit, offset)
    views = [LeadView(**row.model_dump(), metadata=row.meta) for row in rows]
    return LeadList(leads=views, total=total)


async def _save(caller: Caller, rows: type[SavedRow], values: JsonObject) -> Saved:
    """Insert or replace the caller's row of this id; `values` by column name."""
    table = rows.metadata.tables[str(rows.__tablename__)]
    key = {"tenant": caller.tenant, "owner": caller.owner or LOCAL.user, "id": values["id"]}
    stamped = {"updated_at": func.now()} if "updated_at" in table.c else {}
    changed = {name: value for name, value in values.items() if name != "id"} | stamped
    new = insert(table).values(**key, **changed)
    async with caller.own().postgres.session() as session:
        await session.execute(new.on_conflict_do_update(index_elements=list(key), set_=changed))
    return Saved(id=values["id"])


async def _listed(
    caller: Caller, rows: type[SavedRow], newest: str, limit: int, offset: int
) -> tuple[list[SavedRow], int]:
    """One's own rows, the tenant's for an admin, newest first by that column, and how many there are."""
    mine = [col(rows.tenant) == caller.tenant]
    if caller.owner is not None and "admin" not in caller.principal.scopes:
        mine.append(col(rows.owner) == caller.owner)
    order = (col(getattr(rows, newest)).desc(), col(rows.owner), col(rows.id))
    async with caller.own().postgres.session() as session:
        total = await session.scalar(select(func.count()).select_from(rows).where(*mine))
        found = await session.scalars(select(rows).where(*mine).order_by(*order).limit(limit).offset(offset))
        return list(found), total or 0
