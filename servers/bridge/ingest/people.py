"""What the stores hold of one person, known by a mail address or by a user's name: told, and erased.

What they left (leads, conversations, with their documents) and what is theirs alone goes. Documents that a
user brought into collections that others read are the house's: they stay, without the name.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel, col

from servers.bridge.access.keys import KeyRow
from servers.bridge.access.sessions import SessionRow
from servers.bridge.access.usage import UsageRow
from servers.bridge.access.users import UserRow
from servers.bridge.ingest.jobs import Jobs
from servers.bridge.ingest.pipeline import Pipeline
from servers.bridge.manifest.tables import (
    CollectionRow,
    ConversationRow,
    DocumentRow,
    JobRow,
    LeadRow,
    ShareRow,
)
from servers.bridge.manifest.texts import text_of
from tools.access.identity import LOCAL
from tools.errors import DocumentNotFound
from tools.schema import JsonObject

SECRETS = {"password", "digest"}
"""Columns that no export shows."""
LOGGER = "conversation_logger"
"""The flow that makes a document of a conversation that was saved, under its id."""


class Records(NamedTuple):
    """The rows of one table that are a person's."""

    name: str
    table: type[SQLModel]
    theirs: ColumnElement[bool]


class People:
    """Everything of one person of a tenant. Raises StoreUnavailable; an erasure may be done again."""

    def __init__(self, ingest: Pipeline, jobs: Jobs) -> None:
        self.ingest, self.jobs = ingest, jobs
        self.postgres = ingest.repository.postgres

    async def export(self, tenant: str, person: str) -> dict[str, list[JsonObject]]:
        """The rows by table, without secrets; documents with their text."""
        async with self.postgres.session() as session:
            found = {item.name: await _rows(session, item) for item in _records(tenant, person)}
            documents = await self._documents(session, tenant, person)
        exported = {
            name: [row.model_dump(mode="json", exclude=SECRETS) for row in rows]
            for name, rows in found.items()
        }
        exported["documents"] = [await self._with_text(row) for row in documents]
        return {name: rows for name, rows in exported.items() if rows}

    async def erase(self, tenant: str, person: str) -> dict[str, int]:
        """Delete it; how many by table. `reassigned` are those that stay as the deployment's.

        Who may do something comes first, so that nobody makes anew what has been deleted."""
        erased = await self._delete(tenant, person, "users", "sessions", "keys")
        for job in await self.jobs.list(tenant, person):
            if job.id in self.jobs.running:
                await self.jobs.cancel(tenant, job.id)
        async with self.postgres.session() as session:
            documents = await self._documents(session, tenant, person)
        for row in documents:
            try:
                await self.ingest.delete(tenant, row.collection, row.id)
            except DocumentNotFound:
                continue  # somebody else deletes it too
        erased["documents"] = len(documents)
        erased |= await self._delete(tenant, person, "leads", "conversations", "usage", "jobs", "shares")
        erased["reassigned"] = await self._reassign(tenant, person)
        return {name: count for name, count in erased.items() if count}

    async def _delete(self, tenant: str, person: str, *names: str) -> dict[str, int]:
        records = {item.name: item for item in _records(tenant, person)}
        erased: dict[str, int] = {}
        async with self.postgres.session() as session:
            for name in names:
                gone = await session.execute(delete(records[name].table).where(records[name].theirs))
                erased[name] = gone.rowcount  # type: ignore[attr-defined]  # a DELETE's result has it
        return erased

    async def _reassign(self, tenant: str, person: str) -> int:
        count = 0
        async with self.postgres.session() as session:
            for table in (DocumentRow, CollectionRow):
                mine = and_(col(table.tenant) == tenant, col(table.owner) == person)
                moved = await session.execute(update(table).where(mine).values(owner=LOCAL.user))
                count += moved.rowcount  # type: ignore[attr-defined]  # as above
        return count

    async def _documents(self, session: AsyncSession, tenant: str, person: str) -> Sequence[DocumentRow]:
        """Those made of what they left, and theirs in collections that nobody else may read."""
        said = select(col(ConversationRow.id)).where(_said(tenant, person))
        owned = select(col(CollectionRow.name)).where(
            col(CollectionRow.tenant) == tenant, col(CollectionRow.owner) == person
        )
        shared = select(col(ShareRow.collection)).where(col(ShareRow.tenant) == tenant)
        private = set(await session.scalars(owned)) - set(await session.scalars(shared))
        theirs = or_(
            func.lower(col(DocumentRow.meta)["email"].astext) == person,
            and_(col(DocumentRow.owner) == person, col(DocumentRow.collection).in_(private)),
            and_(col(DocumentRow.source) == LOGGER, col(DocumentRow.id).in_(said)),
        )
        query = select(DocumentRow).where(col(DocumentRow.tenant) == tenant, theirs)
        return (await session.scalars(query)).all()

    async def _with_text(self, row: DocumentRow) -> JsonObject:
        location = await self.ingest.repository.where(row.tenant, row.collection)
        shown = {"id", "collection", "title", "source", "owner", "meta", "created_at", "updated_at"}
        text = await text_of(self.postgres, location, row.id)
        return {**row.model_dump(mode="json", include=shown), "text": text}


async def _rows(session: AsyncSession, records: Records) -> Sequence[SQLModel]:
    return (await session.scalars(select(records.table).where(records.theirs))).all()


def _said(tenant: str, person: str) -> ColumnElement[bool]:
    """Which conversations are theirs, or were sent to their address."""
    theirs = func.lower(col(ConversationRow.meta)["email"].astext) == person
    return and_(col(ConversationRow.tenant) == tenant, or_(col(ConversationRow.owner) == person, theirs))


def _records(tenant: str, person: str) -> list[Records]:
    """Every table that knows people, and which of its rows are this one's. Pure."""
    lead = or_(col(LeadRow.owner) == person, func.lower(col(LeadRow.email)) == person)
    share = and_(col(ShareRow.kind) == "user", col(ShareRow.name) == person)
    found = [
        (UserRow, "users", col(UserRow.name) == person),
        (SessionRow, "sessions", col(SessionRow.user_name) == person),
        (KeyRow, "keys", col(KeyRow.user_name) == person),
        (UsageRow, "usage", col(UsageRow.user_name) == person),
        (LeadRow, "leads", lead),
        (JobRow, "jobs", col(JobRow.owner) == person),
        (ShareRow, "shares", share),
    ]
    records = [Records(name, row, and_(col(row.tenant) == tenant, theirs)) for row, name, theirs in found]
    return [*records, Records("conversations", ConversationRow, _said(tenant, person))]
