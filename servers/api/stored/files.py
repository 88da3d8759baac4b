"""Files of OpenAI's API: a row each with its bytes, its owner's alone. What is in them the bridge finds."""

from datetime import datetime

from sqlalchemy import Column, LargeBinary, func
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import defer
from sqlmodel import Field, SQLModel, col, delete, select

from servers.api.runs.tables import Moment, new_id, now, open_session
from tools.access.identity import Principal
from tools.errors import Conflict, NotFound

MOST_FILES = 10_000
"""So many an owner may keep."""


class FileRow(SQLModel, table=True):
    """`file_id` is also the id of its document in `collection`; `status` is uploaded or processed."""

    __tablename__ = "files"  # type: ignore[assignment]  # SQLModel types it as a declared attribute

    file_id: str = Field(default_factory=lambda: f"file-{new_id()}", primary_key=True)
    tenant: str = Field(index=True)
    owner: str = Field(index=True)
    filename: str
    purpose: str
    collection: str
    size: int
    status: str = "uploaded"
    content: bytes = Field(sa_column=Column("content", LargeBinary, nullable=False))
    created_at: datetime = Field(default_factory=now, sa_type=Moment)


class StoredFiles:
    """Reads, writes and deletes the rows; another's are not there."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    async def insert(self, row: FileRow) -> None:
        """Keep a file. Raises Conflict when its owner keeps too many."""
        mine = (col(FileRow.tenant) == row.tenant) & (col(FileRow.owner) == row.owner)
        async with open_session(self.engine) as session:
            kept = (await session.exec(select(func.count()).select_from(FileRow).where(mine))).one()
            if kept >= MOST_FILES:
                raise Conflict(
                    f"{MOST_FILES} files are kept: delete some", source="api", code="too_many_files"
                )
            session.add(row)
            await session.commit()

    async def mark(self, file_id: str, status: str) -> FileRow:
        """Change a file's status."""
        async with open_session(self.engine) as session:
            row = await session.get_one(FileRow, file_id)
            row.status = status
            session.add(row)
            await session.commit()
            return row

    async def get(self, file_id: str, by: Principal) -> FileRow:
        """The caller's own file. Raises NotFound."""
        async with open_session(self.engine) as session:
            row = await session.get(FileRow, file_id)
        if row is None or (row.tenant, row.owner) != (by.tenant, by.user):
            raise NotFound(f"there is no file {file_id[:128]!r}", param="file_id", source="api")
        return row

    async def search(
        self, by: Principal, *, purpose: str | None, limit: int, newest_first: bool, after: str | None
    ) -> list[FileRow]:
        """The caller's files by age, without their bytes; those behind the file `after`. Raises NotFound."""
        made = col(FileRow.created_at)
        query = select(FileRow).where(FileRow.tenant == by.tenant, FileRow.owner == by.user)
        if purpose is not None:
            query = query.where(FileRow.purpose == purpose)
        if after is not None:
            moment = (await self.get(after, by)).created_at
            query = query.where(made < moment if newest_first else made > moment)
        query = query.order_by(made.desc() if newest_first else made).limit(limit)
        async with open_session(self.engine) as session:
            return list((await session.exec(query.options(defer(FileRow.content)))).all())  # type: ignore[arg-type]  # SQLModel types columns as values

    async def delete(self, file_id: str) -> None:
        """Delete a file's row, if there is one."""
        async with open_session(self.engine) as session:
            await session.exec(delete(FileRow).where(col(FileRow.file_id) == file_id))
            await session.commit()
