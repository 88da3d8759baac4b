"""What the stores hold of one collection, without what differs from run to run: ids, times and versions."""

import hashlib
import json
from typing import Any

from servers.bridge.graph.statements import space_name
from servers.bridge.services import Services

EDGES = "about, mentions, names, related, part_of, next, leaving"
TAGS = ("document", "chunk", "entity", "thing")
MOST = 10_000


async def snapshot(stores: Services, collection: str, tenant: str = "default") -> dict[str, Any]:
    """`postgres`, `milvus` and `graph`, each a sorted list; ids are told as document and text."""
    location = await stores.repository.where(tenant, collection)
    documents, _ = await stores.repository.documents(location)
    _, chunks = await stores.repository.rows_of(location, [row.id for row in documents])
    rows = [row for held in chunks.values() for row in held]
    told = {row.id: f"{row.document_id}: {row.heading} {row.text}" for row in rows}
    postgres = [
        *([row.id, row.title, row.source, row.language, row.content_hash, row.in_graph] for row in documents),
        *([told[row.id], row.position, row.tokens, row.state] for row in rows),
    ]
    return {
        "postgres": sorted(map(str, postgres)),
        "unfinished": sorted(
            row.id for row in await stores.repository.unfinished() if row.collection == collection
        ),
        "milvus": await _milvus(stores, location.physical, told),
        "graph": await _graph(stores, space_name(tenant, collection), told),
    }


def digest(found: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


async def _milvus(stores: Services, physical: str, told: dict[str, str]) -> list[str]:
    fields = ["id", "document_id", "title", "source", "language", "text", "metadata", "dense"]
    query = stores.milvus.client.query(physical, filter='id != ""', output_fields=fields, limit=MOST)
    return sorted(
        f"{told.get(row['id'], 'unknown')} {row['document_id']} {row['title']} {row['source']} "
        f"{row['language']} {row['text']} {row['metadata']} {[round(float(x), 3) + 0 for x in row['dense']]}"
        for row in await query
    )


async def _graph(stores: Services, space: str, told: dict[str, str]) -> list[str]:
    lines: list[str] = []
    starts: list[str] = []
    for tag in TAGS:
        query = f"MATCH (v:{tag}) RETURN id(v) AS i, properties(v) AS p LIMIT {MOST}"
        for key, properties in (await stores.nebula.execute(space, query))[1]:
            starts.append(key)
            lines.append(f"{tag} {told.get(key, key)} {sorted(properties.items())}")
    shown = "src(edge) AS a, type(edge) AS t, dst(edge) AS b, properties(edge) AS p"
    for start in range(0, len(starts), 100):
        listed = ", ".join(f'"{key}"' for key in starts[start : start + 100])
        rows = (await stores.nebula.execute(space, f"GO FROM {listed} OVER {EDGES} YIELD {shown}"))[1]
        for one, kind, two, properties in rows:
            said = sorted((name, told.get(str(value), value)) for name, value in properties.items())
            lines.append(f"{told.get(one, one)} -{kind}-> {told.get(two, two)} {said}")
    return sorted(lines)
