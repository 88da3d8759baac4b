"""Flow `backup`: PostgreSQL, the files of the embedded stores and the settings, in one dated folder.

PostgreSQL is the source: a restore rebuilds vectors and graph from it. The copies of the other files are for
putting a whole machine back while nothing runs.
"""

import asyncio
import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.operations import archive, postgres
from flows.operations.archive import Manifest, Probe
from flows.operations.messages import say
from flows.operations.retry import PATIENT
from tools.clients.bridge import Bridge, DocumentSummary, open_bridge
from tools.schema import SearchRequest
from tools.settings import Settings, load_settings

PROBES = 3
TRIED = 10


@flow(name="backup", flow_run_name="backup-{name}")
async def backup(
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = "",
    keep: Annotated[int, Field(ge=1, le=1_000)] = 7,
) -> State[Manifest]:
    """Copia documentos, grafo, vectores y ajustes. · Back up documents, graph, vectors and settings.

    Args:
        name: the backup's folder; by default the date and time. One that exists is left as it is.
        keep: how many backups stay, the newest.
    """
    settings, log = load_settings(), get_run_logger()
    name = name or datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    if name not in archive.names(settings):
        with archive.create(settings, name) as path:
            await copy(settings, path)
    _, manifest = await asyncio.to_thread(archive.read, settings, name)
    for old in archive.retire(settings, keep):
        log.info(say("retired", settings.language, name=old))
    rows = [{"collection": key, **value} for key, value in manifest.counts.items()]
    await acreate_table_artifact(rows, key="backup", description=name)
    documents = sum(count["documents"] for count in manifest.counts.values())
    message = say("backed_up", settings.language, documents=documents, path=archive.folder(settings) / name)
    log.info(message)
    return Completed(message=message, data=manifest)


@task(task_run_name="copy", cache_policy=NO_CACHE, **PATIENT)
async def copy(settings: Settings, path: Path) -> None:
    """Fill a backup's folder; it may be filled again."""
    async with open_bridge(settings) as bridge:
        held = await inventory(bridge)
        probes = [item for name, rows in held.items() for item in await probe(bridge, name, rows)]
    await postgres.dump(settings, path / "postgres.dump")
    await asyncio.to_thread(archive.copy_databases, settings, path / "files")
    text = json.dumps(archive.plain(settings), ensure_ascii=False, indent=2)
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
    manifest = Manifest(
        made=made, version=version("capibara6"), counts=counted(held), probes=probes, missing=external
    )
    await asyncio.to_thread(archive.write, path, manifest)


async def inventory(bridge: Bridge) -> dict[str, list[DocumentSummary]]:
    """The finished documents of each collection."""
    return {
        item["name"]: await bridge.documents(collection=item["name"]) for item in await bridge.collections()
    }


def counted(held: dict[str, list[DocumentSummary]]) -> dict[str, dict[str, int]]:
    """How many documents and chunks each collection has. Pure."""
    return {
        name: {"documents": len(documents), "chunks": sum(document["chunks"] for document in documents)}
        for name, documents in held.items()
    }


async def probe(bridge: Bridge, collection: str, documents: list[DocumentSummary]) -> list[Probe]:
    """Searches by title that find their document now, and must find it after a restore."""
    found = []
    for document in [document for document in documents if document["title"]][:TRIED]:
        wanted = Probe(collection=collection, query=document["title"], document=document["id"])
        if await finds(bridge, wanted):
            found.append(wanted)
        if len(found) == PROBES:
            break
    return found


async def finds(bridge: Bridge, wanted: Probe) -> bool:
    """Whether the search by title finds the document."""
    request = SearchRequest(query=wanted.query, collection=wanted.collection, top_k=20)
    return any(hit.document_id == wanted.document for hit in (await bridge.search(request)).results)
