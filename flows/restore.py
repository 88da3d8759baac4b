"""Flow `restore`: puts a backup's documents and conversations back and proves it: counts, and searches that
must find."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from flows.backup import Inventory, count_documents, finds, inventory
from flows.operations import archive, conversations, postgres, rehearsal
from flows.operations.archive import BackupManifest
from flows.operations.messages import say
from flows.reconcile import missing_collections
from tools.clients.bridge import Bridge, open_bridge
from tools.errors import Capibara6Error, UpstreamFailed, UpstreamSilent
from tools.settings import Settings, load_settings

POLL_S = 0.5
NAMED = 5
NAMES = "names:"
"""How the bridge calls its own extractor, which writes with the passages; models' have names of theirs."""


@flow(name="restore", flow_run_name="restore-{name}")
async def restore(
    name: str,
    confirm: bool = False,
    timeout_s: Annotated[float, Field(gt=0)] = 3_600.0,
    rehearse: bool = False,
) -> State[BackupManifest]:
    """Vuelve a poner lo que hay en una copia. · Put back what a backup holds.

    PostgreSQL becomes what it was; vectors and graph are built again from it by the bridge. Conversations,
    memories and runs become those of the backup; a run it caught in the middle is cancelled.

    Args:
        name: the backup's folder.
        confirm: without it, the run only checks the backup and says what it holds.
        timeout_s: how long vectors and graph may take.
        rehearse: put it back into a home that is made for it and thrown away, and ask there what is known.
    """
    settings, log = load_settings(), get_run_logger()
    path, manifest = await asyncio.to_thread(archive.read, settings, name)
    documents = sum(count["documents"] for count in manifest.counts.values())
    deadline = time.monotonic() + timeout_s
    if rehearse:
        return await _rehearse(settings, path, manifest, deadline)
    if not confirm:
        message = say("would_restore", settings.language, documents=documents, made=manifest.made)
        return Failed(message=message, data=manifest)
    log.info(say("rebuilding", settings.language, documents=documents))
    counts, not_found = await put_back(settings, path, manifest, deadline)
    rows = [
        {"collection": key, **value, "restored": counts.get(key)} for key, value in manifest.counts.items()
    ]
    await acreate_table_artifact(rows, key="restore", description=name)
    if not_found:
        return Failed(message=say("not_found", settings.language, names=", ".join(not_found)), data=manifest)
    message = say("restored", settings.language, documents=documents, made=manifest.made)
    log.info(message)
    return Completed(message=message, data=manifest)


async def put_back(
    settings: Settings,
    path: Path,
    manifest: BackupManifest,
    deadline: float,
    *,
    talks: bool = True,
) -> tuple[dict[str, dict[str, int]], list[str]]:
    """Put a backup's folder back where `settings` say, with conversations if `talks`: the counts by
    collection, and the documents whose probe finds them no more. Raises UpstreamSilent at `deadline`
    (`time.monotonic()`)."""
    async with open_bridge(settings) as bridge:
        await bridge.collections()  # on a new machine this makes the roles that the dump's policies name
        await postgres.restore(settings, path / "postgres.dump")
        if talks:
            await asyncio.to_thread(conversations.put_back, settings, path / "files")
        await _reembed_missing(bridge, manifest, deadline)
        await postgres.mark_for_rewrite(settings)
        counts = await wait_until_rebuilt(bridge, manifest, deadline)
        return counts, [probe.document for probe in manifest.probes if not await finds(bridge, probe)]


async def _rehearse(
    settings: Settings, path: Path, manifest: BackupManifest, deadline: float
) -> State[BackupManifest]:
    """What comes back in a platform that is thrown away, and what it answers."""
    log = get_run_logger()
    kept = await asyncio.to_thread(rehearsal.count_conversations, path)
    async with rehearsal.scratch(settings, deadline) as other:
        counts, not_found = await put_back(other, path, manifest, deadline, talks=False)
        right, wrong = await rehearsal.ask_known(other, counts)
    rows = [{"what": key, **value} for key, value in counts.items()]
    rows += [{"what": name, "rows": count} for name, count in kept.items()]
    await acreate_table_artifact(rows, key="rehearsal", description=path.name)
    for question in (*not_found, *wrong):
        log.warning(f"✗ {question}")
    values = {
        "documents": sum(count["documents"] for count in counts.values()),
        "found": len(manifest.probes) - len(not_found),
        "probes": len(manifest.probes),
        "kept": ", ".join(f"{name} {count}" for name, count in kept.items()) or "—",
        "right": right,
        "asked": right + len(wrong),
    }
    message = say("rehearsed", settings.language, **values)
    log.info(message)
    failed = bool(not_found) or len(wrong) > right
    return (Failed if failed else Completed)(message=message, data=manifest)


async def _reembed_missing(bridge: Bridge, manifest: BackupManifest, deadline: float) -> None:
    """On a new machine Milvus is empty: its collections are made before documents are written again."""
    wanted = {name for name, count in manifest.counts.items() if count["documents"]}
    while True:
        try:
            jobs = [await bridge.reembed(name) for name in await missing_collections(bridge, wanted)]
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


async def wait_until_rebuilt(
    bridge: Bridge, manifest: BackupManifest, deadline: float
) -> dict[str, dict[str, int]]:
    """Wait until the bridge lists what the backup had, and the graph has all of it too: a graph that was away
    meanwhile is written later. The counts by collection; raises `UpstreamSilent` with what is there at
    `deadline` (`time.monotonic()`)."""
    counts: dict[str, dict[str, int]] = {}
    unlinked: list[str] = []
    while time.monotonic() < deadline:
        stored = await inventory(bridge)
        counts, unlinked = count_documents(stored), not_in_graph(stored)
        if not unlinked and all(counts.get(name) == wanted for name, wanted in manifest.counts.items()):
            return counts
        await asyncio.sleep(POLL_S)
    reason = f"in the time given there is {counts} of {manifest.counts}, not in the graph: {unlinked[:NAMED]}"
    raise UpstreamSilent(reason, source="bridge")


def not_in_graph(stored: Inventory) -> list[str]:
    """Ids of documents that are finished but for the graph, where the bridge has yet to put them. Pure."""
    return [
        document["id"]
        for documents in stored.values()
        for document in documents
        if not any(name.startswith(NAMES) for name in document["extractors"])
    ]
