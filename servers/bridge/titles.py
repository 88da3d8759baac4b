"""Which passages mention which titles, asked of the manifest: the truth behind the graph's links."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select, text

from servers.bridge.manifest import DELETING, ChunkRow, DocumentRow
from servers.bridge.names import names_in
from servers.bridge.plan import Place
from servers.bridge.postgres import Postgres
from tools.schema import Language

MOST = 200


class Titles:
    """Reads only. Raises StoreUnavailable."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres

    async def known(self, place: Place, names: Iterable[str]) -> set[str]:
        """Those of `names` that are the title of some document."""
        wanted = sorted(set(names))
        found: set[str] = set()
        columns: Any = DocumentRow
        for start in range(0, len(wanted), 5_000):
            query = (
                select(columns.name)
                .distinct()
                .where(
                    columns.tenant == place.tenant,
                    columns.collection == place.collection,
                    columns.state != DELETING,
                    columns.name.in_(wanted[start : start + 5_000]),
                )
            )
            async with self.postgres.reading() as connection:
                found |= set((await connection.scalars(query)).all())
        return found

    async def mentioned_by(
        self, place: Place, rows: Sequence[ChunkRow], language: Language, own: str
    ) -> dict[str, set[str]]:
        """Passage id to the titles of other documents that its text holds."""
        runs = await asyncio.to_thread(lambda: {row.id: names_in(row.text, language) for row in rows})
        known = await self.known(place, {run for found in runs.values() for run in found})
        return {key: (found & known) - {own} for key, found in runs.items()}

    async def mentioning(self, place: Place, names: Sequence[str]) -> list[tuple[str, str]]:
        """`(passage, name)` of every held passage of another document that mentions one of `names`."""
        found: list[tuple[str, str]] = []
        async with self.postgres.session() as session:
            for name in names:
                phrase = " <-> ".join("'" + word.replace("'", "''") + "'" for word in name.split())
                values = {
                    "tenant": place.tenant,
                    "collection": place.collection,
                    "name": name,
                    "phrase": phrase,
                    "most": MOST,
                }
                rows = (await session.execute(text(_MENTIONING), values)).all()
                found += [
                    (key, name)
                    for key, body, language in rows
                    if name in names_in(body, "es" if language == "es" else "en")
                ]
        return found


_MENTIONING = """
    SELECT c.id, c.text, d.language
    FROM chunks c
    JOIN documents d ON (d.tenant, d.collection, d.id) = (c.tenant, c.collection, c.document_id)
    WHERE c.tenant = :tenant AND c.collection = :collection AND d.name <> :name AND c.state <> 'stale'
      AND to_tsvector('simple'::regconfig, c.tokens) @@ CAST(:phrase AS tsquery)
    ORDER BY c.id LIMIT :most
"""
