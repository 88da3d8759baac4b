"""Flow `reconcile`: Milvus and the graph are compared with the manifest; what differs is written again.

The bridge repairs by itself what a crash left unfinished; this finds what was lost after it was finished.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.operations import postgres
from flows.operations.messages import say
from flows.operations.retry import LONG_RETRY
from tools.clients.bridge import Bridge, StoredDocument, open_bridge
from tools.clients.collections import Collection
from tools.errors import CollectionNotFound, NotFound
from tools.settings import Settings, load_settings

DOCUMENTS_AT_ONCE = 8
MAX_ROWS = 1_000
"""As many as a search in Milvus may bring."""
IDS_A_QUERY = 500
IDS_A_FILTER = 100


@dataclass(frozen=True)
class Difference:
    """A document whose passages are not those of the manifest: `missing` and `extra` ones in Milvus,
    `unlinked` ones that the graph does not have."""

    collection: str
    document: str
    missing: int
    extra: int
    unlinked: int = 0


@flow(name="reconcile", flow_run_name="reconcile")
async def reconcile(
    collections: list[str] | None = None,
    repair: bool = True,
    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 200,
) -> State[list[Difference]]:
    """Compara los almacenes con el manifiesto y repara. · Compare the stores with the manifest and repair.

    Args:
        collections: which; by default all.
        repair: ask for the documents that differ to be written again.
        batch_size: documents in one task.
    """
    settings, log = load_settings(), get_run_logger()
    found: list[Difference] = []
    looked = 0
    async with open_bridge(settings) as bridge:
        for item in await _chosen(bridge, collections):
            name = item["name"]
            documents = await bridge.documents(collection=name)
            looked += len(documents)
            vector = [1.0] + [0.0] * (item["dimensions"] - 1)
            for start in range(0, len(documents), batch_size):
                found += await compare(bridge, name, documents[start : start + batch_size], vector, start)
        if repair and found:
            await _repair(settings, bridge, found)
    for difference in found:
        log.warning(
            f"{difference.collection}/{difference.document}: Milvus −{difference.missing} "
            f"+{difference.extra}, graph −{difference.unlinked}"
        )
    await acreate_table_artifact([asdict(item) for item in found], key="reconcile")
    message = say("reconciled", settings.language, looked=looked, count=len(found))
    log.info(message)
    return Completed(message=message, data=found)


@task(task_run_name="compare {collection} {start}", cache_policy=NO_CACHE, **LONG_RETRY)
async def compare(
    bridge: Bridge, collection: str, documents: Sequence[StoredDocument], vector: list[float], start: int
) -> list[Difference]:
    """Look at each document in both stores; `vector` is any of the collection's dimensions, `start` names the
    task's run."""
    slots = asyncio.Semaphore(DOCUMENTS_AT_ONCE)

    async def one(document: StoredDocument) -> Difference | None:
        async with slots:
            return await _difference(bridge, collection, document["id"], vector)

    return [item for item in await asyncio.gather(*map(one, documents)) if item is not None]


async def _chosen(bridge: Bridge, names: list[str] | None) -> list[Collection]:
    """The manifest's collections, all or those that are named; Milvus may have lost a whole one."""
    known = {item["name"]: item for item in await bridge.collections()}
    for name in names or []:
        if name not in known:
            raise CollectionNotFound(f"there is no collection {name}", param="collections", source="bridge")
    return [item for name, item in known.items() if names is None or name in names]


async def missing_collections(bridge: Bridge, names: set[str]) -> list[str]:
    """Those of these collections that Milvus does not have at all: they must be embedded again as a whole."""
    present = (await bridge.http.json("GET", "/api/v1/milvus/collections"))["collections"]
    return sorted(names - {item["name"] for item in present})


async def _repair(settings: Settings, bridge: Bridge, found: list[Difference]) -> None:
    missing = await missing_collections(bridge, {item.collection for item in found})
    for name in missing:
        await bridge.reembed(name)
    rest = [(item.collection, item.document) for item in found if item.collection not in missing]
    await postgres.mark_for_rewrite(settings, rest)


async def _difference(bridge: Bridge, collection: str, key: str, vector: list[float]) -> Difference | None:
    try:
        document = await bridge.document(key, collection=collection)
    except NotFound:
        return None  # somebody has deleted it since it was listed
    wanted = {passage["id"] for passage in document["passages"]}
    found = await _milvus_ids(bridge, collection, key, wanted, vector)
    missing, extra = len(wanted - found), len(found - wanted)
    unlinked = len(wanted - await _graph_ids(bridge, collection, wanted))
    return Difference(collection, key, missing, extra, unlinked) if missing or extra or unlinked else None


async def _milvus_ids(
    bridge: Bridge, collection: str, key: str, wanted: set[str], vector: list[float]
) -> set[str]:
    """Ids of the document's rows in Milvus: a search that every row of it answers, and one a page of ids
    for a document with more passages than a search may bring."""
    found = await _rows(bridge, collection, f"document_id == {_quoted(key)}", vector)
    if len(found) < MAX_ROWS:
        return found
    ids = sorted(wanted - found)
    for start in range(0, len(ids), IDS_A_FILTER):
        named = ", ".join(_quoted(passage) for passage in ids[start : start + IDS_A_FILTER])
        found |= await _rows(bridge, collection, f"id in [{named}]", vector)
    return found


async def _rows(bridge: Bridge, collection: str, chosen: str, vector: list[float]) -> set[str]:
    request = {
        "collection": collection,
        "vector": vector,
        "top_k": MAX_ROWS,
        "filter": chosen,
        "output_fields": ["id"],
    }
    try:
        body = await bridge.http.json("POST", "/api/v1/milvus/search", json=request)
    except CollectionNotFound:
        return set()
    return {row["id"] for row in body["results"]}


async def _graph_ids(bridge: Bridge, collection: str, wanted: set[str]) -> set[str]:
    """Which of these passages the graph has; none when it has not even the collection's space."""
    found: set[str] = set()
    ids = sorted(wanted)
    for start in range(0, len(ids), IDS_A_QUERY):
        named = ", ".join(_quoted(key) for key in ids[start : start + IDS_A_QUERY])
        query = f"FETCH PROP ON chunk {named} YIELD id(vertex) AS id"
        try:
            found |= {row[0] for row in (await bridge.query_graph(collection, query))["rows"]}
        except NotFound:
            return set()
    return found


def _quoted(text: str) -> str:
    """A string of Milvus' filter language."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
