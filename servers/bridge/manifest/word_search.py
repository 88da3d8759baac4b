"""Searches passages by their stems in PostgreSQL: the text retriever's way when Milvus is down."""

from collections.abc import Sequence

from sqlalchemy import text

from servers.bridge.clients.postgres.client import Postgres
from servers.bridge.manifest.upsert_plan import Location
from tools.schema import JsonObject

_WORD_SEARCH = """
    SELECT c.id, ts_rank_cd(to_tsvector('simple'::regconfig, c.tokens), q.words, 1) AS distance,
           c.document_id, d.title, d.source, c.heading, d.language, c.text, d.metadata
    FROM chunks c
    JOIN documents d ON (d.tenant, d.collection, d.id) = (c.tenant, c.collection, c.document_id),
         to_tsquery('simple'::regconfig, :query) AS q(words)
    WHERE c.tenant = :tenant AND c.collection = :collection AND c.state = 'done'
      AND to_tsvector('simple'::regconfig, c.tokens) @@ q.words
    ORDER BY distance DESC, c.id LIMIT :limit
"""


async def search_words(
    postgres: Postgres, location: Location, words: Sequence[str], *, limit: int
) -> list[JsonObject]:
    """`ts_rank_cd` (as `distance`) over the same stems, best first, with `id` and the fields of a passage.

    Raises StoreUnavailable."""
    if not words:
        return []
    query = " | ".join("'" + word.replace("'", "").replace("\\", "") + "'" for word in dict.fromkeys(words))
    scope = {"tenant": location.tenant, "collection": location.collection}
    async with postgres.session() as session:
        found = await session.execute(text(_WORD_SEARCH), {"query": query, **scope, "limit": limit})
        return [dict(row) for row in found.mappings()]
