"""Flow `restore`: puts a backup's documents back and proves it: counts, and searches that must find."""

import asyncio
import time
from typing import Annotated

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from flows.backup import counted, finds, inventory
from flows.operations import archive, postgres
from flows.operations.archive import Manifest
from flows.operations.messages import say
from flows.reconcile import lost
from tools.clients.bridge import Bridge, DocumentSummary, open_bridge
from tools.errors import Capibara6Error, UpstreamFailed, UpstreamSilent
from tools.settings import load_settings

POLL_S = 0.5
NAMED = 5
NAMES = "names:"
"""How the bridge calls its own extractor, which writes with the passages; models' have names of theirs."""


@flow(name="restore", flow_run_name="restore-{name}")
async def restore(
    name: str, confirm: bool = False, timeout_s: Annotated[float, Field(gt=0)] = 3_600.0
) -> State[Manifest]:
    """Vuelve a poner los documentos de una copia. · Put a backup's documents back.

    PostgreSQL becomes what it was; vectors and graph are built again from it by the bridge.

    Args:
        name: the backup's folder.
        confirm: without it, the run only checks the backup and says what it holds.
        timeout_s: how long vectors and graph may take.
    """
    settings, log = load_settings(), get_run_logger()
    path, manifest = await asyncio.to_thread(archive.read, settings, name)
    documents = sum(count["documents"] for count in manifest.counts.values())
    if not confirm:
        message = say("would_restore", settings.language, documents=documents, made=manifest.made)
        return Failed(message=message, data=manifest)
    async with open_bridge(settings) as bridge:
        await bridge.collections()  # on a new machine this makes the roles that the dump's policies name
        await postgres.restore(settings, path / "postgres.dump")
        log.info(say("rebuilding", settings.language, documents=documents))
        deadline = time.monotonic() + timeout_s
        await _embed_lost(bridge, manifest, deadline)
        await postgres.rewrite(settings)
        counts = await rebuilt(bridge, manifest, deadline)
        hidden = [probe.document for probe in manifest.probes if not await finds(bridge, probe)]
    rows = [
        {"collection": key, **value, "restored": counts.get(key)} for key, value in manifest.counts.items()
    ]
    await acreate_table_artifact(rows, key="restore", description=name)
    if hidden:
        return Failed(message=say("not_found", settings.language, names=", ".join(hidden)), data=manifest)
    message = say("restored", settings.language, documents=documents, made=manifest.made)
    log.info(message)
    return Completed(message=message, data=manifest)


async def _embed_lost(bridge: Bridge, manifest: Manifest, deadline: float) -> None:
    """On a new machine Milvus is empty: its collections are made before documents are written again."""
    wanted = {name for name, count in manifest.counts.items() if count["documents"]}
    while True:
        try:
            jobs = [await bridge.reembed(name) for name in await lost(bridge, wanted)]
            break
        except Capibara6Error:  # its connections ended with the tables; it opens new ones
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(POLL_S)
    for job in jobs:
        state = await bridge.job(job)
        while state["state"] == "running":
            await asyncio.sleep(POLL_S)
            state = await bridge.job(job)
        if state["state"] != "done":
            raise UpstreamFailed(f"embedding again: {state['reason'] or state['state']}", source="bridge")


async def rebuilt(bridge: Bridge, manifest: Manifest, deadline: float) -> dict[str, dict[str, int]]:
    """Wait until the bridge lists what the backup had, and the graph has all of it too: a graph that was away
    meanwhile is written later. Raises `UpstreamSilent` with what is there by then."""
    counts: dict[str, dict[str, int]] = {}
    unlinked: list[str] = []
    while time.monotonic() < deadline:
        held = await inventory(bridge)
        counts, unlinked = counted(held), waiting(held)
        if not unlinked and all(counts.get(name) == wanted for name, wanted in manifest.counts.items()):
            return counts
        await asyncio.sleep(POLL_S)
    said = f"in the time given there is {counts} of {manifest.counts}, not in the graph: {unlinked[:NAMED]}"
    raise UpstreamSilent(said, source="bridge")


def waiting(held: dict[str, list[DocumentSummary]]) -> list[str]:
    """Documents that are finished but for the graph, where the bridge has yet to put them. Pure."""
    return [
        document["id"]
        for documents in held.values()
        for document in documents
        if not any(reader.startswith(NAMES) for reader in document["extractors"])
    ]
