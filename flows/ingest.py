"""Flow `ingest`: sources → documents → the bridge, in batches; run twice it changes nothing.

Finding is `flows/ingestion/sources.py`, reading `flows/ingestion/loader.py`; the bridge decides what is
unchanged. It asks the bridge only for documents that it sends, or that may have left its folders.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.concurrency.asyncio import concurrency
from prefect.exceptions import ObjectAlreadyExists
from prefect.states import Completed
from pydantic import Field

from flows.ingestion import loader
from flows.ingestion.download import list_objects
from flows.ingestion.loader import LoadResult
from flows.ingestion.progress import Progress, open_progress
from flows.ingestion.report import Failure, Report, StoredById, compare, missing_documents, publish
from flows.ingestion.runners import Executor, open_executor
from flows.ingestion.sources import Listing, SourceFile, find
from flows.operations.messages import say
from flows.operations.retry import LONG_RETRY
from tools.clients.bridge import Bridge, open_bridge
from tools.errors import BadRequest, CollectionNotFound, MassDelete, NotFound, NothingIngested, TooLarge
from tools.schema import CollectionName, Document
from tools.settings import Settings, load_settings

BATCH_BYTES = 1_000_000
BATCHES_AT_ONCE = 2
RUNS_AT_ONCE = 2


@dataclass
class IngestRun:
    """What one run knows: `sent` grows, so that no id is written from two places; `before` are the documents
    as the store had them before they were sent."""

    settings: Settings
    bridge: Bridge
    collection: str
    batch_size: int
    sent: set[str] = field(default_factory=set)
    before: StoredById = field(default_factory=dict)
    failed: list[Failure] = field(default_factory=list)
    writes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(BATCHES_AT_ONCE))


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
    listing = await asyncio.to_thread(find, sources, list_objects=partial(list_objects, s3=settings.s3))
    log.info(say("found", language, count=len(listing.files), sources=", ".join(sources)))
    async with concurrency_slot(collection), open_bridge(settings) as bridge:
        run = IngestRun(settings, bridge, collection, batch_size)
        run.failed += [(name, reason.say(language)) for name, reason in listing.problems]
        await _ingest_files(run, listing.files)
        after = await stored(bridge, collection, ids=sorted(run.sent)) if run.sent else {}
        report = compare(sorted(run.sent), run.before, after, run.failed)
        report.skipped = list(listing.skipped)
        refusal = await _prune(run, listing, report, max_delete_share) if prune else None
    for name, reason in report.failed:
        log.warning(say("failed_file", language, name=name, reason=reason))
    await publish(report, collection, language)
    if refusal is not None:
        raise MassDelete(refusal, source="ingest")
    if not report.added + report.changed + report.unchanged:
        raise NothingIngested(say("nothing", language, sources=", ".join(sources)), source="ingest")
    log.info(report.summary(language))
    return Completed(message=report.summary(language), data=report)


@asynccontextmanager
async def concurrency_slot(collection: str) -> AsyncIterator[None]:
    """At most `RUNS_AT_ONCE` runs write to a collection; the slot of a run that died is free in a minute."""
    name = f"ingest-{collection}"
    async with get_client() as client:
        with suppress(ObjectAlreadyExists):  # another run made it between the look and the write
            await client.upsert_global_concurrency_limit_by_name(name, RUNS_AT_ONCE)
    async with concurrency(name, lease_duration=60, raise_on_lease_renewal_failure=False):
        yield


@task(task_run_name="load {first}", cache_policy=NO_CACHE)
def load(batch: Sequence[SourceFile], settings: Settings, first: str) -> LoadResult:
    """Read a batch; heavy, so it runs where the settings say. `first` names the task's run."""
    return loader.load(batch, settings)


@task(task_run_name="write {first}", cache_policy=NO_CACHE, **LONG_RETRY)
async def write(bridge: Bridge, documents: Sequence[Document], collection: str, first: str) -> list[Failure]:
    """Send a batch; returns the documents that were refused. `first` names the task's run.

    A store that is away is waited for; the batch may be sent again.
    """
    return await send(bridge, list(documents), collection)


@task(task_run_name="stored", cache_policy=NO_CACHE, **LONG_RETRY)
async def stored(
    bridge: Bridge, collection: str, *, ids: Sequence[str] = (), prefixes: Sequence[str] = ()
) -> StoredById:
    """The collection's documents of these ids, or whose id or origin begins so, by id; empty for a collection
    that is not there."""
    assert ids or prefixes, "a run never lists a whole collection"
    try:
        rows = await bridge.documents(collection=collection, ids=ids, prefixes=prefixes)
    except CollectionNotFound:
        return {}
    return {row["id"]: row for row in rows}


@task(task_run_name="remove {document_id}", cache_policy=NO_CACHE, **LONG_RETRY)
async def remove(bridge: Bridge, document_id: str, collection: str) -> bool:
    """Delete a document; False when another run was quicker."""
    try:
        await bridge.delete(document_id, collection=collection)
    except NotFound:
        return False
    return True


async def send(bridge: Bridge, documents: list[Document], collection: str) -> list[Failure]:
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
    """Batches of at most `size` items and about `BATCH_BYTES` bytes; `sizes` are the items' bytes. Pure."""
    cuts, weight = [0], 0
    for number, bytes_ in enumerate(sizes):
        if number > cuts[-1] and (number - cuts[-1] >= size or weight + bytes_ > BATCH_BYTES):
            cuts.append(number)
            weight = 0
        weight += bytes_
    return [
        slice(start, end) for start, end in zip(cuts, [*cuts[1:], len(sizes)], strict=True) if end > start
    ]


async def _ingest_files(run: IngestRun, files: list[SourceFile]) -> None:
    """Read ahead of what is being written, but not far: memory holds a few batches."""
    batches = split([file.size for file in files], run.batch_size)
    key = f"ingest-{run.collection.replace('_', '-')}-progress"
    with open_executor(run.settings) as executor:
        read_ahead = asyncio.Semaphore(executor.workers + BATCHES_AT_ONCE)
        async with open_progress(key, len(files)) as progress:
            await asyncio.gather(
                *(_ingest_batch(run, files[batch], executor, read_ahead, progress) for batch in batches)
            )


async def _ingest_batch(
    run: IngestRun,
    batch: list[SourceFile],
    executor: Executor,
    read_ahead: asyncio.Semaphore,
    progress: Progress,
) -> None:
    async with read_ahead:
        loaded = await executor(load, batch=batch, settings=run.settings, first=batch[0].id)
        run.failed += loaded.failed
        documents = _without_duplicates(run, loaded.documents)
        for part in split([len(document.text) for document in documents], run.batch_size):
            async with run.writes:
                await _write(run, documents[part])
    await progress.step(len(batch))
    total, done = progress.total, progress.done
    get_run_logger().info(say("batch", run.settings.language, done=done, total=total))


async def _write(run: IngestRun, documents: list[Document]) -> None:
    ids = [document.id for document in documents]
    run.before |= await stored(run.bridge, run.collection, ids=ids)
    run.failed += await write(run.bridge, documents, run.collection, ids[0])


def _without_duplicates(run: IngestRun, documents: list[Document]) -> list[Document]:
    """The documents whose id nobody else in this run has taken."""
    unique = []
    for document in documents:
        if document.id in run.sent:
            reason = say("same_id", run.settings.language, other=document.id)
            run.failed.append((f"{document.source} ({document.id})", reason))
            continue
        run.sent.add(document.id)
        unique.append(document)
    return unique


async def _prune(run: IngestRun, listing: Listing, report: Report, max_delete_share: float) -> str | None:
    """Delete what left the listed folders; returns the reason when it refuses to."""
    language = run.settings.language
    if not listing.complete:
        return say("incomplete", language)
    if not listing.roots:
        return None
    inside = await stored(run.bridge, run.collection, prefixes=listing.roots)
    missing, total = missing_documents(listing, run.sent, (name for name, _ in run.failed), inside)
    if len(missing) > max_delete_share * total:
        return say("mass_delete", language, count=len(missing), total=total)
    for document_id in missing:
        if await remove(run.bridge, document_id, run.collection):
            report.deleted.append(document_id)
    return None
