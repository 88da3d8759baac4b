"""The author of what is ingested: whose new documents are, and how many passages of theirs may be stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlmodel import col

from servers.bridge.access.usage import exceeded
from servers.bridge.clients.postgres.client import Postgres
from servers.bridge.manifest.tables import DocumentRow
from servers.bridge.manifest.upsert_plan import Plan
from tools.access.identity import LOCAL


@dataclass(frozen=True)
class Author:
    """For whom documents are written; `passages` is how many of theirs may be stored, None for any number."""

    owner: str
    passages: int | None = None


DEPLOYMENT: Final = Author(LOCAL.user)


async def passages_of(postgres: Postgres, tenant: str, owner: str) -> int:
    """How many passages the documents of an owner hold."""
    mine = (col(DocumentRow.tenant) == tenant, col(DocumentRow.owner) == owner)
    total = func.coalesce(func.sum(col(DocumentRow.chunks)), 0)
    async with postgres.session() as session:
        return int(await session.scalar(select(total).where(*mine)) or 0)


async def check_quota(
    postgres: Postgres, author: Author, tenant: str, plans: Sequence[Plan], held: Mapping[str, DocumentRow]
) -> None:
    """Raises QuotaExceeded when the author would own more passages than they may; `held` are the documents as
    they are, by id. What another owns stays the other's."""
    if author.passages is None:
        return
    ours = [item for item in plans if _owner(held, item) in (None, author.owner)]
    more = sum(len(item.rows) - _chunks(held, item) for item in ours)
    if more > 0 and await passages_of(postgres, tenant, author.owner) + more > author.passages:
        raise exceeded("stored passages", author.passages)


def _owner(held: Mapping[str, DocumentRow], item: Plan) -> str | None:
    row = held.get(item.document.id)
    return row.owner if row else None


def _chunks(held: Mapping[str, DocumentRow], item: Plan) -> int:
    row = held.get(item.document.id)
    return row.chunks if row else 0
