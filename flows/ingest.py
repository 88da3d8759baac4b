"""Flow `ingest`: files → documents → the bridge, in batches; run twice it changes nothing.

Finding and reading is `flows/sources.py`; what is unchanged is decided by the bridge.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated, Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.concurrency.asyncio import concurrency
from prefect.exceptions import ObjectAlreadyExists
from prefect.states import Completed
from pydantic import Field

from flows.retry import PATIENT
from flows.sources import Found, Listing, Unreadable, find, read
from flows.texts import say
from tools.clients.bridge import Bridge, open_bridge
from tools.errors import BadRequest, CollectionNotFound, MassDelete, NotFound, NothingIngested, TooLarge
from tools.schema import CollectionName, Document
from tools.settings import Language, load_settings

BATCH_BYTES = 1_000_000
BATCHES_AT_ONCE = 2
RUNS_AT_ONCE = 2
ROWS_SHOWN = 1_000


@dataclass
class Report:
    """Document ids by what happened to them; `failed` holds `(name, reason)`."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def summary(self, language: Language) -> str:
        names = ("added", "changed", "unchanged", "deleted", "failed")
        return say("summary", language, **{name: len(getattr(self, name)) for name in names})


@flow(name="ingest", flow_run_name="ingest-{collection}", validate_parameters=True)
async def ingest(
    sources: list[str] | None = None,
    collection: CollectionName = "capibara6",
    prune: bool = False,
    max_delete_share: Annotated[float, Field(ge=0, le=1)] = 0.2,
    batch_size: Annotated[int, Field(ge=1, le=1_000)] = 50,
) -> State[Report]:
    """Lleva carpetas, archivos o patrones a una colección. · Bring folders, files or globs into a collection.

    Args:
        sources: folders, files or glob patterns on the worker's machine; by default the sample knowledge.
        collection: where the documents go; it is created when it does not exist.
        prune: delete the documents of a listed folder whose file is gone.
        max_delete_share: refuse to prune more than this share of a folder's documents.
        batch_size: documents in one request to the bridge.
    """
    settings, log = load_settings(), get_run_logger()
    language, sources = settings.language, sources or [str(settings.knowledge)]
    listing = await asyncio.to_thread(find, sources)
    log.info(say("found", language, count=len(listing.files), sources=", ".join(sources)))
    async with in_turn(collection), open_bridge(settings) as bridge:
        before = await versions(bridge, collection)
        failed = [(name, reason.say(language)) for name, reason in listing.problems]
        failed += await _write_all(bridge, listing.files, collection, batch_size, language)
        report = compare(listing, before, await versions(bridge, collection), failed)
        refused = await _prune(bridge, listing, report, collection, max_delete_share) if prune else None
    for name, reason in report.failed:
        log.warning(say("failed_file", language, name=name, reason=reason))
    await _publish(report, collection, language)
    if refused is not None:
        raise MassDelete(say(refused[0], language, **refused[1]), source="ingest")
    if not report.added + report.changed + report.unchanged:
        raise NothingIngested(say("nothing", language, sources=", ".join(sources)), source="ingest")
    log.info(report.summary(language))
    return Completed(message=report.summary(language), data=report)


@asynccontextmanager
async def in_turn(collection: str) -> AsyncIterator[None]:
    """At most `RUNS_AT_ONCE` runs write to a collection; the place of a run that died is free in a minute."""
    name = f"ingest-{collection}"
    async with get_client() as client:
        with suppress(ObjectAlreadyExists):  # another run made it between the look and the write
            await client.upsert_global_concurrency_limit_by_name(name, RUNS_AT_ONCE)
    async with concurrency(name, lease_duration=60, raise_on_lease_renewal_failure=False):
        yield


@task(task_run_name="write {first}", cache_policy=NO_CACHE, **PATIENT)
async def write(
    bridge: Bridge, batch: Sequence[Found], collection: str, language: Language, first: str
) -> list[tuple[str, str]]:
    """Read a batch and send it; returns the documents that were refused, with the reason.

    `first` names the task's run. A store that is away is waited for; the batch may be sent again.
    """
    documents, failed = await asyncio.to_thread(_read_all, batch, language)
    return failed + await send(bridge, documents, collection)


async def send(bridge: Bridge, documents: list[Document], collection: str) -> list[tuple[str, str]]:
    """Send documents; one that the bridge refuses is found by halving, and the others go through."""
    if not documents:
        return []
    try:
        report = await bridge.ingest(documents, collection=collection)
    except (BadRequest, TooLarge) as exc:
        if len(documents) == 1:
            return [(documents[0].id, exc.message)]
        middle = len(documents) // 2
        return [
            *await send(bridge, documents[:middle], collection),
            *await send(bridge, documents[middle:], collection),
        ]
    return [(item.id, item.reason) for item in report.failed]


async def versions(bridge: Bridge, collection: str) -> dict[str, Any]:
    """When each document of the collection was last written; empty for a collection that is not there."""
    try:
        documents = await bridge.documents(collection=collection)
    except CollectionNotFound:
        return {}
    return {document["id"]: document.get("updated_at") for document in documents}


def compare(
    listing: Listing, before: dict[str, Any], after: dict[str, Any], failed: list[tuple[str, str]]
) -> Report:
    """What happened, as the store itself tells: a document that it does not show was not ingested."""
    report = Report(failed=list(failed), skipped=list(listing.skipped))
    refused = {name for name, _ in failed}
    for found in listing.files:
        if found.id in refused:
            continue
        if found.id not in after:
            report.failed.append((found.id, "accepted, but not in the collection"))
        elif found.id not in before:
            report.added.append(found.id)
        elif before[found.id] != after[found.id]:
            report.changed.append(found.id)
        else:
            report.unchanged.append(found.id)
    return report


def gone(listing: Listing, known: Sequence[str]) -> tuple[list[str], int]:
    """Documents of the listed folders whose file is gone, and how many those folders have."""
    present = {found.id for found in listing.files} | {name for name, _ in listing.problems}
    held = [item for item in known if item.startswith(tuple(listing.roots))] if listing.roots else []
    return [item for item in held if item not in present], len(held)


def split(files: Sequence[Found], size: int) -> list[list[Found]]:
    """Batches of at most `size` files and about `BATCH_BYTES` bytes."""
    batches: list[list[Found]] = []
    weight = 0
    for found in files:
        if not batches or len(batches[-1]) >= size or weight + found.size > BATCH_BYTES:
            batches.append([])
            weight = 0
        batches[-1].append(found)
        weight += found.size
    return batches


async def _write_all(
    bridge: Bridge, files: list[Found], collection: str, size: int, language: Language
) -> list[tuple[str, str]]:
    log, free, done = get_run_logger(), asyncio.Semaphore(BATCHES_AT_ONCE), 0

    async def one(batch: list[Found]) -> list[tuple[str, str]]:
        nonlocal done
        async with free:
            failed = await write(bridge, batch, collection, language, batch[0].id)
        done += len(batch)
        log.info(say("batch", language, done=done, total=len(files)))
        return failed

    results = await asyncio.gather(*(one(batch) for batch in split(files, size)))
    return [item for result in results for item in result]


def _read_all(batch: Sequence[Found], language: Language) -> tuple[list[Document], list[tuple[str, str]]]:
    documents: list[Document] = []
    failed: list[tuple[str, str]] = []
    for found in batch:
        try:
            documents.append(read(found))
        except Unreadable as exc:
            failed.append((found.id, exc.say(language)))
    return documents, failed


async def _prune(
    bridge: Bridge, listing: Listing, report: Report, collection: str, share: float
) -> tuple[str, dict[str, int]] | None:
    """Delete what left the source; returns the reason (a text and its fields) when it refuses to."""
    if not listing.complete:
        return "incomplete", {}
    missing, total = gone(listing, list(await versions(bridge, collection)))
    if len(missing) > share * total:
        return "guard", {"count": len(missing), "total": total}
    for document_id in missing:
        try:
            await bridge.delete(document_id, collection=collection)
        except NotFound:
            continue  # another run was quicker
        report.deleted.append(document_id)
    return None


async def _publish(report: Report, collection: str, language: Language) -> None:
    """A table of what changed and a summary, both in Prefect's UI."""
    key = collection.replace("_", "-")
    rows = [{"document": name, "status": "failed", "reason": reason} for name, reason in report.failed]
    for status in ("deleted", "added", "changed", "unchanged", "skipped"):
        rows += [{"document": name, "status": status, "reason": ""} for name in getattr(report, status)]
    await acreate_table_artifact(rows[:ROWS_SHOWN], key=f"ingest-{key}", description=report.summary(language))
    lines = [f"## {say('report_title', language)} `{collection}`", "", report.summary(language), ""]
    lines += [f"- `{name}`: {reason}" for name, reason in report.failed[:ROWS_SHOWN]]
    await acreate_markdown_artifact("\n".join(lines), key=f"ingest-{key}-summary")
