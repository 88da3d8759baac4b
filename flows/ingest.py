"""Flow `ingest`: sources → documents → the bridge, in batches; run twice it changes nothing.

Finding is `flows/ingestion/sources.py`, reading `flows/ingestion/loader.py`, sending
`flows/ingestion/sending.py`; the bridge decides what is unchanged. It lists only what may have left.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
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
from flows.ingestion.changes import Changes, choose, reader, with_hashes
from flows.ingestion.listing import addresses_of, find_credential, is_old, list_sources, refusals
from flows.ingestion.loader import LoadResult
from flows.ingestion.progress import Progress, open_progress
from flows.ingestion.report import Report, StoredById, missing_documents, publish
from flows.ingestion.runners import Executor, open_executor
from flows.ingestion.sending import Sent, next_size, send, split
from flows.ingestion.sources import Listing, SourceFile, names_of
from flows.operations.messages import say
from flows.operations.retry import LONG_RETRY
from tools.access.source_address import Credential
from tools.clients.bridge import Bridge, Difference, open_bridge
from tools.clients.prefect import INCOMPLETE
from tools.errors import CollectionNotFound, MassDelete, NotFound, NothingIngested
from tools.schema import CollectionName, Document, Language
from tools.settings import Settings, load_settings

BATCHES_AT_ONCE = 2
RUNS_AT_ONCE = 2
LINES_A_RECORD = 200


@dataclass
class IngestRun:
    """What one run knows: `sent` grows, so that no id is written from two places; `changes` is what the store
    said of the files before, `size` how many documents the next batch has, `passages` were written; `refusal`
    is why nothing was pruned."""

    settings: Settings
    bridge: Bridge
    collection: str
    batch_size: int
    text_field: str = ""
    credential: Credential | None = None
    named: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    passages: int = 0
    sent: set[str] = field(default_factory=set)
    changes: Changes = field(default_factory=Changes)
    report: Report = field(default_factory=Report)
    refusal: str | None = None
    writes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(BATCHES_AT_ONCE))


@flow(name="ingest", flow_run_name="ingest-{collection}", validate_parameters=True)
async def ingest(
    sources: list[str] | None = None,
    collection: CollectionName = "capibara6",
    prune: bool = False,
    max_delete_share: Annotated[float, Field(ge=0, le=1)] = 1.0,
    batch_size: Annotated[int, Field(ge=1, le=1_000)] = 50,
    within: list[str] | None = None,
    text_field: Annotated[str, Field(max_length=200)] = "",
    name: Annotated[str, Field(max_length=100, pattern=r"^[^/\x00-\x1f]*$")] = "",
    credential: Annotated[str, Field(max_length=200)] = "",
    forget: bool = False,
) -> State[Report]:
    """Lleva carpetas, páginas o archivos a una colección. · Bring folders, pages or files into a collection.

    Args:
        sources: folders, files or globs on the worker's machine, http(s) addresses, lists of them (*.urls),
            s3://bucket/prefix, imaps://user@host/folder, webdavs://user@host/folder; an address may be a
            sitemap or a feed. By default the sample knowledge.
        collection: where the documents go; it is created when it does not exist.
        prune: delete the documents that these sources brought and that left them; nothing leaves a feed.
        max_delete_share: refuse to prune more than this share of what they brought.
        batch_size: documents in one request to the bridge.
        within: read files of the machine only below these folders; runs that are asked for over HTTP have it.
        text_field: the field of JSON records that holds their text (`page.body`); otherwise it is looked for.
        name: what the one folder is called in the ids of its documents (`manual/es/uno.md`), wherever it
            lies; otherwise they are the absolute addresses of the files.
        credential: the Prefect block with the password of a source; `capibara6 sources add` makes it.
        forget: bring nothing: delete what these sources have brought.
    """
    settings = load_settings()
    roots, sources = within if sources else None, sources or [str(settings.knowledge)]
    named, secret = names_of(sources, settings.knowledge, name), await find_credential(settings, credential)
    async with open_bridge(settings) as bridge:
        run = IngestRun(settings, bridge, collection, batch_size, text_field, secret, named, batch_size)
        share = max_delete_share if prune else None
        await (_forget(run, sources) if forget else _bring(run, sources, roots, share))
    return await _ended(run, sources)


async def _bring(run: IngestRun, sources: list[str], within: list[str] | None, prune: float | None) -> None:
    """Ingest what the sources hold and, with `prune` (a share), delete what left them."""
    language, secret = run.settings.language, run.credential
    listing = await asyncio.to_thread(list_sources, sources, run.settings, within, secret, run.named)
    get_run_logger().info(say("found", language, count=len(listing.files), sources=", ".join(sources)))
    async with concurrency_slot(run.collection):
        await _find_changes(run, listing)
        await _ingest_files(run, run.changes.files)
        if prune is not None:
            run.refusal = await _prune(run, listing, prune)


async def _forget(run: IngestRun, sources: Sequence[str]) -> None:
    """Delete what the sources have brought, whatever is left of them."""
    uris = addresses_of(sources, run.settings, run.named)
    async with concurrency_slot(run.collection):
        await _remove(run, await stored(run.bridge, run.collection, sources=uris))


async def _ended(run: IngestRun, sources: Sequence[str]) -> State[Report]:
    """How the run ends, said in the log and in Prefect's UI. Raises NothingIngested, MassDelete."""
    report, language = run.report, run.settings.language
    _log_ends(report, language)
    await publish(report, run.collection, language)
    if run.refusal is not None:
        raise MassDelete(run.refusal, source="ingest")
    if not report.added + report.changed + report.moved + report.unchanged + report.deleted:
        raise NothingIngested(say("nothing", language, sources=", ".join(sources)), source="ingest")
    get_run_logger().info(summary := report.summary(language))
    return Completed(message=summary, data=report, name=INCOMPLETE if report.failed else "Completed")


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
def load(
    batch: Sequence[SourceFile],
    settings: Settings,
    first: str,
    text_field: str,
    credential: Credential | None,
) -> LoadResult:
    """Read a batch; heavy, so it runs where the settings say. `first` names the task's run."""
    return loader.load(batch, settings, text_field, credential)


@task(task_run_name="write {first}", cache_policy=NO_CACHE, **LONG_RETRY)
async def write(bridge: Bridge, documents: Sequence[Document], collection: str, first: str) -> Sent:
    """Send a batch; returns what became of it. `first` names the task's run.

    A store that is away is waited for; the batch may be sent again.
    """
    return await send(bridge, list(documents), collection)


@task(task_run_name="differ", cache_policy=NO_CACHE, **LONG_RETRY)
async def differ(
    bridge: Bridge, hashes: Mapping[str, str], collection: str, version: str
) -> dict[str, Difference]:
    """What the store says of files, whose hashes are given by identity; of none of a collection that is not
    there."""
    try:
        return await bridge.differences(hashes, collection=collection, reader=version)
    except CollectionNotFound:
        return {}


@task(task_run_name="stored", cache_policy=NO_CACHE, **LONG_RETRY)
async def stored(
    bridge: Bridge, collection: str, *, sources: Sequence[str], prefixes: Sequence[str] = ()
) -> StoredById:
    """The documents that these sources have brought, or whose id or origin begins so, by id; empty for a
    collection that is not there."""
    assert sources, "a run never lists a whole collection"
    try:
        rows = await bridge.documents(collection=collection, prefixes=prefixes, sources=sources)
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


async def _find_changes(run: IngestRun, listing: Listing) -> None:
    """What the store does not hold as it is: one question for thousands of files, of which none is parsed."""
    files = await asyncio.to_thread(with_hashes, listing.files)
    hashes = {file.id: file.hash for file in files if file.hash or file.url}
    known = await differ(run.bridge, hashes, run.collection, reader(run.text_field)) if hashes else {}
    run.changes = choose(files, known, listing)
    run.report.unchanged += run.changes.same
    run.report.failed += refusals(listing, run.settings.language)
    run.report.skipped += [name for name in listing.skipped if not is_old(name)]


async def _ingest_files(run: IngestRun, files: list[SourceFile]) -> None:
    """Read ahead of what is being written, but not far: memory holds a few batches."""
    batches = split([file.size for file in files], run.batch_size)
    key = f"ingest-{run.collection.replace('_', '-')}-progress"
    with open_executor(run.settings) as executor:
        read_ahead = asyncio.Semaphore(executor.workers + BATCHES_AT_ONCE)
        async with open_progress(key, len(files), run.settings.language) as progress:
            await asyncio.gather(
                *(_ingest_batch(run, files[batch], executor, read_ahead, progress) for batch in batches)
            )


async def _ingest_batch(
    run: IngestRun, batch: list[SourceFile], executor: Executor, ahead: asyncio.Semaphore, progress: Progress
) -> None:
    async with ahead:
        request = {"settings": run.settings, "first": batch[0].id, "text_field": run.text_field}
        loaded = await executor(load, batch=batch, credential=run.credential, **request)
        run.report.unchanged += [name for file in loaded.same for name in run.changes.held[file]]
        run.report.failed += loaded.failed
        run.report.skipped += loaded.skipped
        documents = _without_duplicates(run, loaded.documents)
        while documents:
            async with run.writes:
                [part, *_] = split([len(document.text) for document in documents], run.size)
                await _write(run, documents[part])
                documents = documents[part.stop :]
    await progress.step(len(batch), run.passages)
    get_run_logger().info(progress.sentence)


def _log_ends(report: Report, language: Language) -> None:
    """Every file with its end; many lines in one of Prefect's records are cheap, too many are cut."""
    lines = list(report.ends(language))
    for start in range(0, len(lines), LINES_A_RECORD):
        get_run_logger().info("\n".join(lines[start : start + LINES_A_RECORD]))


async def _write(run: IngestRun, documents: list[Document]) -> None:
    started = time.monotonic()
    sent = await write(run.bridge, documents, run.collection, documents[0].id)
    run.size = next_size(len(documents), time.monotonic() - started, run.batch_size)
    run.passages += sent.passages
    run.report.note(documents, sent, run.changes.known)


def _without_duplicates(run: IngestRun, documents: list[Document]) -> list[Document]:
    """The documents whose id nobody else in this run has taken."""
    unique = []
    for document in documents:
        if document.id in run.sent:
            reason = say("same_id", run.settings.language, other=document.id)
            run.report.failed.append((f"{document.source} ({document.id})", reason))
            continue
        run.sent.add(document.id)
        unique.append(document)
    return unique


async def _prune(run: IngestRun, listing: Listing, max_delete_share: float) -> str | None:
    """Delete what left the sources; returns the reason when it refuses to."""
    language, report = run.settings.language, run.report
    if not listing.complete:
        return say("incomplete", language)
    if listing.empty:
        return say("empty_source", language, sources=", ".join(listing.empty))
    if not listing.sources:  # feeds: nothing leaves them
        return None
    inside = await stored(run.bridge, run.collection, sources=listing.sources, prefixes=listing.roots)
    present = run.sent.union(report.unchanged)
    missing, total = missing_documents(listing, present, (name for name, _ in report.failed), inside)
    if len(missing) > max_delete_share * total:
        return say("mass_delete", language, count=len(missing), total=total)
    await _remove(run, missing)
    return None


async def _remove(run: IngestRun, document_ids: Iterable[str]) -> None:
    for document_id in document_ids:
        if await remove(run.bridge, document_id, run.collection):
            run.report.deleted.append(document_id)
