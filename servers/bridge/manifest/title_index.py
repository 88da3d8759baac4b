"""Index of titles over the manifest: which names are titles, and which passages mention them.

The graph's links are made from its answers; it writes nothing.
"""

import asyncio
from collections.abc import Iterable, Sequence

from sqlalchemy import text

from servers.bridge.clients.postgres.client import Postgres
from servers.bridge.manifest.tables import DELETING, ChunkRow
from servers.bridge.manifest.upsert_plan import Location
from servers.bridge.text.title_names import names_in
from tools.schema import Language

MAX_MENTIONS, FEW_PASSAGES = 200, 50
"""Most passages found for one name; most passages of a title that still says something about each of them."""


class TitleIndex:
    """Reads only. Raises StoreUnavailable."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres

    async def known(self, location: Location, names: Iterable[str]) -> set[str]:
        """Those of `names` that are the title of some document."""
        return await self._names_of(_KNOWN, location, names)

    async def telling(self, location: Location, names: Iterable[str]) -> set[str]:
        """Those that are the title of at most `FEW_PASSAGES` passages: a whole book's title points at none of
        them."""
        return await self._names_of(_TELLING, location, names)

    async def _names_of(self, query: str, location: Location, names: Iterable[str]) -> set[str]:
        wanted = sorted(set(names))
        if not wanted:
            return set()
        values = {
            "tenant": location.tenant,
            "collection": location.collection,
            "names": "\n".join(wanted),
            "gone": DELETING,
        }
        async with self.postgres.autocommit() as connection:
            return set((await connection.scalars(text(query), values)).all())

    async def mentioned_by(
        self, location: Location, passages: Sequence[tuple[ChunkRow, Language, str]]
    ) -> dict[str, set[str]]:
        """Passage id to the titles of other documents that its text holds. Each comes with its own name."""
        runs = await asyncio.to_thread(_runs, passages)
        known = await self.known(location, {run for found, _ in runs.values() for run in found})
        return {key: (found & known) - {own} for key, (found, own) in runs.items()}

    async def mentioning(self, location: Location, names: Sequence[str]) -> list[tuple[str, str]]:
        """`(passage, name)` of every stored passage of another document that mentions one of `names`."""
        if not names:
            return []
        values = {
            "tenant": location.tenant,
            "collection": location.collection,
            "names": list(names),
            "queries": [_query(name) for name in names],
            "most": MAX_MENTIONS,
        }
        async with self.postgres.session() as session:
            rows = (await session.execute(text(_MENTIONING), values)).all()
        found = await asyncio.to_thread(
            _names_by_passage, [(key, body, language) for _, key, body, language in rows]
        )
        return [(key, name) for name, key, _, _ in rows if name in found[key]]


def _query(name: str) -> str:
    return " & ".join("'" + word.replace("\\", "").replace("'", "''") + "'" for word in name.split())


def _runs(passages: Iterable[tuple[ChunkRow, Language, str]]) -> dict[str, tuple[set[str], str]]:
    return {row.id: (names_in(row.text, language), own) for row, language, own in passages}


def _names_by_passage(rows: Iterable[tuple[str, str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for key, body, language in rows:
        if key not in found:
            found[key] = names_in(body, "es" if language == "es" else "en")
    return found


# One look into the index for each name, which a join would not promise: a table that was filled a moment ago
# has no statistics, and the planner then compares every document with every name.
_EACH = """
    SELECT n.name FROM unnest(string_to_array(:names, E'\\n')) AS n(name)
    CROSS JOIN LATERAL (
        SELECT {found} FROM documents
        WHERE tenant = :tenant AND collection = :collection AND documents.name = n.name AND state <> :gone
        {only}
    ) AS d
"""
_KNOWN = _EACH.format(found="1", only="LIMIT 1")
_TELLING = _EACH.format(found="sum(chunks) AS size", only="") + f"WHERE d.size <= {FEW_PASSAGES}"
# The index finds who has the words (OFFSET 0: a table without statistics must not be walked instead); that
# they stand together is read from the stems, which costs less than to parse them again for a phrase.
_MENTIONING = """
    SELECT n.name, f.id, f.text, f.language
    FROM unnest(CAST(:names AS text[]), CAST(:queries AS text[])) AS n(name, query)
    CROSS JOIN LATERAL (
        SELECT c.id, c.text, d.language
        FROM (
            SELECT * FROM chunks
            WHERE to_tsvector('simple'::regconfig, tokens) @@ CAST(n.query AS tsquery) OFFSET 0
        ) AS c
        CROSS JOIN LATERAL (
            SELECT language FROM documents
            WHERE tenant = c.tenant AND collection = c.collection AND id = c.document_id AND name <> n.name
            OFFSET 0
        ) AS d
        WHERE c.tenant = :tenant AND c.collection = :collection AND c.state <> 'stale'
          AND position(' ' || n.name || ' ' IN ' ' || c.tokens || ' ') > 0
        ORDER BY c.id LIMIT :most
    ) AS f
"""
