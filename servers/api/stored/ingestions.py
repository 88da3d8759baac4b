"""Which flow run reads a file of OpenAI's API, and why it could not: a row each, beside the file's."""

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import Field, SQLModel, col, delete

from servers.api.runs.tables import open_session


class IngestionRow(SQLModel, table=True):
    """`run_id` is Prefect's; `reason` is empty unless the file was refused."""

    __tablename__ = "file_ingestions"  # type: ignore[assignment]  # SQLModel types it as a declared attribute

    file_id: str = Field(primary_key=True)
    run_id: str
    reason: str = ""


class Ingestions:
    """Reads, writes and deletes the rows; whose a file is, its own row says."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    async def keep(self, row: IngestionRow) -> None:
        """Insert a row, or change the one of its file."""
        async with open_session(self.engine) as session:
            await session.merge(row)
            await session.commit()

    async def get(self, file_id: str) -> IngestionRow | None:
        """The row of a file; None for one that no run reads."""
        async with open_session(self.engine) as session:
            return await session.get(IngestionRow, file_id)

    async def delete(self, file_id: str) -> None:
        """Delete a file's row, if there is one."""
        async with open_session(self.engine) as session:
            await session.exec(delete(IngestionRow).where(col(IngestionRow.file_id) == file_id))
            await session.commit()
