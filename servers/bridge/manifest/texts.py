"""The texts of documents, in which the spans of their passages count."""

from collections.abc import Sequence

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from servers.bridge.clients.postgres.client import Postgres
from servers.bridge.manifest.tables import TextRow
from servers.bridge.manifest.upsert_plan import Location, Plan


async def put_texts(session: AsyncSession, location: Location, plans: Sequence[Plan]) -> None:
    """Insert or replace the texts of documents that are there; one that is resumed has its text already."""
    for item in plans:
        if item.text:
            key = {"tenant": location.tenant, "collection": location.collection, "id": item.document.id}
            new = insert(TextRow).values(**key, text=item.text)
            changed = {"text": new.excluded.text}
            await session.execute(new.on_conflict_do_update(index_elements=list(key), set_=changed))


async def text_of(postgres: Postgres, location: Location, document_id: str) -> str | None:
    """A document's text; None for one that was written before texts were kept. Raises StoreUnavailable."""
    async with postgres.session() as session:
        row = await session.get(TextRow, (location.tenant, location.collection, document_id))
        return row.text if row else None
