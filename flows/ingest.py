"""Flow `ingest`: sources → documents → the bridge, in batches; run twice it changes nothing.

Finding is `flows/ingestion/sources.py`, reading `flows/ingestion/reading.py`; the bridge decides
what is unchanged.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.concurrency.asyncio import concurrency
from prefect.exceptions import ObjectAlreadyExists
from prefect.states import Completed
from pydantic import Field

from flows.ingestion import reading
from flows.ingestion.progress import Progress, open_progress
from flows.ingestion.reading import Loaded
from flows.ingestion.remote import objects
from flows.ingestion.report import Report, compare, gone, publish
from flows.ingestion.runners import Map, open_map
from flows.ingestion.sources import Found, Listing, find
from flows.operations.messages import say
from flows.operations.retry import PATIENT
from tools.clients.bridge import Bridge, open_bridge
from tools.errors import BadRequest, CollectionNotFound, MassDelete, NotFound, NothingIngested, TooLarge
from tools.schema import CollectionName, Document
from tools.settings import Settings, load_settings

BATCH_BYTES = 1_000_000
BATCHES_AT_ONCE = 2
RUNS_AT_ONCE = 2


@dataclass
class Work:
    """One run's way through its batches; `sent` grows, so that no id is written from two places."""

    settings: Settings
    bridge: Bridge
    collection: str
    batch_size: int
    sent: set[str] = field(default_factory=set)
    failed: list[tuple[str, str]] = field(default_factory=list)
    writing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(BATCHES_AT_ONCE))


@flow(name="ingest", flow_run_name="ingest-{collection}", validate_parameters=True)
async def ingest(
    sources: list[str] | None = None,
    collection: CollectionName = "capibara6",
    prune: bool = False,
    max_delete_share: Annotated[float, Field(ge=0, le=1)] = 0.2,
    batch_size: Annotated[int, Field(ge=1, le=1_000)] = 50,
) -> State[Report]:
    """Lleva carpetas, páginas o archivos a una colección. · Bring folders, pages or files into a collection.

    Args:
        sources: folders, files or globs on the worker's machine, http(s) addresses, lists of them (*.urls),
            s3://bucket/prefix; by default the sample knowledge.
        collection: where the documents go; it is created when it does not exist.
        prune: delete the documents of a listed folder whose file is gone.
        max_delete_share: refuse to prune more than this share of a folder's documents.
        batch_size: documents in one request to the bridge.
    """
    settings, log = load_settings(), get_run_logger()
    language, sources = settings.language, sources or [str(settings.knowledge)]
    listing = await asyncio.to_thread(find, sources, objects=partial(objects, s3=settings.s3))
    log.info(say("found", language, count=len(listing.files), sources=", ".join(sources)))
    async with in_turn(collection), open_bridge(settings) as bridge:
        before = await known(bridge, collection)
        work = Work(settings, bridge, collection, batch_size)
        work.failed += [(name, reason.say(language)) for name, reason in listing.problems]
        await _write_all(work, listing.files)
        after = await known(bridge, collection)
        report = compare(sorted(work.sent), before, after, work.failed)
        report.skipped = list(listing.skipped)
        refused = await _prune(work, listing, report, after, max_delete_share) if prune else None
    for name, reason in report.failed:
        log.warning(say("failed_file", language, name=name, reason=reason))
    await publish(report, collection, language)
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


@task(task_run_name="load {first}", cache_policy=NO_CACHE)
def load(batch: Sequence[Found], settings: Settings, first: str) -> Loaded:
    """Read a batch; heavy, so it runs where the settings say. `first` names the task's run."""
    return reading.load(batch, settings)


@task(task_run_name="write {first}", cache_policy=NO_CACHE, **PATIENT)
async def write(
    bridge: Bridge, documents: Sequence[Document], collection: str, first: str
) -> list[tuple[str, str]]:
    """Send a batch; returns the documents that were refused, with the reason.

    A store that is away is waited for; the batch may be sent again.
    """
    return await send(bridge, list(documents), collection)


@task(task_run_name="known", cache_policy=NO_CACHE, **PATIENT)
async def known(bridge: Bridge, collection: str) -> dict[str, Any]:
    """The collection's documents by id; empty for a collection that is not there."""
    try:
        return {row["id"]: row for row in await bridge.documents(collection=collection)}
    except CollectionNotFound:
        return {}


@task(task_run_name="remove {document_id}", cache_policy=NO_CACHE, **PATIENT)
async def remove(bridge: Bridge, document_id: str, collection: str) -> bool:
    """Delete a document; False when another run was quicker."""
    try:
        await bridge.delete(document_id, collection=collection)
    except NotFound:
        return False
    return True


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


def split(sizes: Sequence[int], size: int) -> list[slice]:
    """Batches of at most `size` things and about `BATCH_BYTES` bytes. Pure."""
    cuts, weight = [0], 0
    for number, bytes_ in enumerate(sizes):
        if number > cuts[-1] and (number - cuts[-1] >= size or weight + bytes_ > BATCH_BYTES):
            cuts.append(number)
            weight = 0
        weight += bytes_
    return [
        slice(start, end) for start, end in zip(cuts, [*cuts[1:], len(sizes)], strict=True) if end > start
    ]


async def _write_all(work: Work, files: list[Found]) -> None:
    """Read ahead of what is being written, but not far: memory holds a few batches."""
    cuts = split([found.size for found in files], work.batch_size)
    key = f"ingest-{work.collection.replace('_', '-')}-progress"
    with open_map(work.settings) as heavy:
        ahead = asyncio.Semaphore(heavy.workers + BATCHES_AT_ONCE)
        async with open_progress(key, len(files)) as progress:
            await asyncio.gather(*(_one(work, files[cut], heavy, ahead, progress) for cut in cuts))


async def _one(
    work: Work, batch: list[Found], heavy: Map, ahead: asyncio.Semaphore, progress: Progress
) -> None:
    async with ahead:
        loaded = await heavy(load, batch=batch, settings=work.settings, first=batch[0].id)
        work.failed += loaded.failed
        documents = _claimed(work, loaded.documents)
        for cut in split([len(document.text) for document in documents], work.batch_size):
            part = documents[cut]
            async with work.writing:
                work.failed += await write(work.bridge, part, work.collection, part[0].id)
    await progress.step(len(batch))
    total, done = progress.total, progress.done
    get_run_logger().info(say("batch", work.settings.language, done=done, total=total))


def _claimed(work: Work, documents: list[Document]) -> list[Document]:
    """The documents whose id nobody else in this run has taken."""
    kept = []
    for document in documents:
        if document.id in work.sent:
            reason = say("same_id", work.settings.language, other=document.id)
            work.failed.append((f"{document.source} ({document.id})", reason))
            continue
        work.sent.add(document.id)
        kept.append(document)
    return kept


async def _prune(
    work: Work, listing: Listing, report: Report, after: dict[str, Any], share: float
) -> tuple[str, dict[str, int]] | None:
    """Delete what left the source; returns the reason (a text and its fields) when it refuses to."""
    if not listing.complete:
        return "incomplete", {}
    missing, total = gone(listing, work.sent, (name for name, _ in work.failed), after)
    if len(missing) > share * total:
        return "guard", {"count": len(missing), "total": total}
    for document_id in missing:
        if await remove(work.bridge, document_id, work.collection):
            report.deleted.append(document_id)
    return None
