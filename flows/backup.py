"""Flow `backup`: PostgreSQL, the files of the embedded stores and the settings, in one dated folder.

PostgreSQL is the source of documents: a restore rebuilds vectors and graph from it. Conversations, memories
and runs are put back from their own files; the copies of the others are for putting a whole machine back
while nothing runs.
"""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, TypeAlias

from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.operations import archive, conversations, postgres
from flows.operations.archive import BackupManifest, Probe
from flows.operations.messages import say
from flows.operations.retry import LONG_RETRY
from tools.clients.bridge import Bridge, StoredDocument, open_bridge
from tools.schema import SearchRequest
from tools.settings import Settings, load_settings

PROBES = 3
TITLES_TRIED = 10

Inventory: TypeAlias = dict[str, list[StoredDocument]]


@flow(name="backup", flow_run_name="backup-{name}")
async def backup(
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = "",
    keep: Annotated[int, Field(ge=1, le=1_000)] = 7,
) -> State[BackupManifest]:
    """Copia documentos, grafo, vectores y ajustes. · Back up documents, graph, vectors and settings.

    Args:
        name: the backup's folder; by default the date and time. One that exists is left as it is.
        keep: how many backups stay, the newest.
    """
    settings, log = load_settings(), get_run_logger()
    name = name or datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    if name not in archive.list_backups(settings):
        with archive.create(settings, name) as path:
            await copy(settings, path)
    _, manifest = await asyncio.to_thread(archive.read, settings, name)
    for old in archive.delete_old(settings, keep):
        log.info(say("retired", settings.language, name=old))
    rows = [{"collection": key, **value} for key, value in manifest.counts.items()]
    await acreate_table_artifact(rows, key="backup", description=name)
    documents = sum(count["documents"] for count in manifest.counts.values())
    message = say("backed_up", settings.language, documents=documents, path=archive.folder(settings) / name)
    log.info(message)
    return Completed(message=message, data=manifest)


@task(task_run_name="copy", cache_policy=NO_CACHE, **LONG_RETRY)
async def copy(settings: Settings, path: Path) -> None:
    """Fill a backup's folder, `path`; it may be filled again."""
    async with open_bridge(settings) as bridge:
        stored = await inventory(bridge)
        probes = [item for name, rows in stored.items() for item in await find_probes(bridge, name, rows)]
    await postgres.dump(settings, path / "postgres.dump")
    await asyncio.to_thread(archive.copy_databases, settings, path / "files")
    await asyncio.to_thread(conversations.copy_key, settings, path / "files")
    text = json.dumps(archive.settings_without_secrets(settings), ensure_ascii=False, indent=2)
    (path / "settings.json").write_text(text, encoding="utf-8")
    external = [
        store
        for store, address in (
            ("milvus", settings.stores.milvus_uri),
            ("nebula", settings.stores.nebula_address),
            ("redis", settings.stores.redis_url),
        )
        if address is not None
    ]
    made = datetime.now(UTC).isoformat()
    manifest = BackupManifest(
        made=made,
        version=version("capibara6"),
        counts=count_documents(stored),
        probes=probes,
        missing=external,
    )
    await asyncio.to_thread(archive.write, path, manifest)


async def inventory(bridge: Bridge) -> Inventory:
    """The finished documents of each collection, by its name."""
    return {
        item["name"]: await bridge.documents(collection=item["name"]) for item in await bridge.collections()
    }


def count_documents(stored: Inventory) -> dict[str, dict[str, int]]:
    """`{documents, chunks}` of each collection. Pure."""
    return {
        name: {"documents": len(documents), "chunks": sum(document["chunks"] for document in documents)}
        for name, documents in stored.items()
    }


async def find_probes(bridge: Bridge, collection: str, documents: Sequence[StoredDocument]) -> list[Probe]:
    """At most `PROBES` searches by title that find their document now, and must find it after a restore."""
    found = []
    for document in [document for document in documents if document["title"]][:TITLES_TRIED]:
        probe = Probe(collection=collection, query=document["title"], document=document["id"])
        if await finds(bridge, probe):
            found.append(probe)
        if len(found) == PROBES:
            break
    return found


async def finds(bridge: Bridge, probe: Probe) -> bool:
    """Whether the probe's search finds its document among the first 20 passages."""
    request = SearchRequest(query=probe.query, collection=probe.collection, top_k=20)
    return any(hit.document_id == probe.document for hit in (await bridge.search(request)).results)
