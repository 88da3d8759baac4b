"""Flow `extract_graph`: a model reads each passage, and what it finds joins the graph that search walks.

It goes on where it stopped: a document that this extractor has read as it is now is passed over. What is
asked and what is kept is `flows/extraction/`; where it is written is the bridge's.
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

from flows.extraction.answer import Grounded
from flows.extraction.prompt import build_prompt, extractor_name
from flows.extraction.reader import Reader
from flows.ingestion.progress import open_progress
from flows.operations.messages import say
from flows.operations.retry import LONG_RETRY
from tools.clients.bridge import Bridge, open_bridge
from tools.clients.pool import open_pool
from tools.errors import BadRequest, DocumentChanged, NotFound, Unavailable
from tools.schema import CollectionName, Extraction, Language
from tools.settings import load_settings


@dataclass(frozen=True)
class Row:
    """One document: what was found, dropped, not understood, and its tokens; `note` says why it was left."""

    document: str
    entities: int = 0
    relations: int = 0
    dropped: int = 0
    broken: int = 0
    tokens: int = 0
    note: str = ""


@flow(name="extract_graph", flow_run_name="extract_graph-{collection}")
async def extract_graph(
    collection: CollectionName = "capibara6",
    model: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")] = "phi4_fast",
    documents: Annotated[int, Field(ge=1)] = 1_000,
    at_once: Annotated[int, Field(ge=1, le=64)] = 4,
    tokens: Annotated[int, Field(ge=1)] = 2_000_000,
    answer_tokens: Annotated[int, Field(ge=16, le=4_096)] = 512,
) -> State[list[Row]]:
    """Un modelo lee los documentos y completa el grafo. · A model reads documents and completes the graph.

    Args:
        collection: whose documents.
        model: who reads; it must be available and generate text.
        documents: at most so many in one run.
        at_once: passages that are read at the same time.
        tokens: what the run may spend; a document that would not fit waits for the next run.
        answer_tokens: of each answer.
    """
    settings, log = load_settings(), get_run_logger()
    language, extractor = settings.language, extractor_name(model)
    async with open_bridge(settings) as bridge, open_pool(settings) as pool:
        if model not in await pool.generators():
            raise Unavailable(say("model_away", language, model=model), source="pool")
        waiting = (await unread(bridge, collection, extractor))[:documents]
        reader = Reader(pool, model, answer_tokens=answer_tokens, tokens=tokens, at_once=at_once)
        rows = await _read_all(bridge, reader, waiting, collection, extractor, language)
    for row in rows:
        if row.note:
            log.warning(f"{row.document}: {row.note}")
    await acreate_table_artifact([asdict(row) for row in rows], key="extract-graph", description=extractor)
    message = summary(rows, reader.budget.spent, language)
    log.info(message)
    return Completed(message=message, data=rows)


@task(task_run_name="unread", cache_policy=NO_CACHE, **LONG_RETRY)
async def unread(bridge: Bridge, collection: str, extractor: str) -> list[str]:
    """Ids of the documents that this extractor has not read as they are now."""
    listed = await bridge.documents(collection=collection)
    return [row["id"] for row in listed if extractor not in row.get("extractors", [])]


@task(task_run_name="read {document_id}", cache_policy=NO_CACHE, **LONG_RETRY)
async def read(bridge: Bridge, reader: Reader, document_id: str, collection: str, extractor: str) -> Row:
    """Read one document and write what was found; again, and the same is written."""
    document = await bridge.document(document_id, collection=collection)
    language: Language = "es" if document["language"] == "es" else "en"
    questions = [build_prompt(passage["text"], language) for passage in document["passages"]]
    cost = reader.cost(questions)
    if not reader.budget.reserve(cost):
        return Row(document_id, note=say("no_tokens", language))
    grounded, used = Grounded(), list[int]()
    try:
        answers = await reader.answers(questions, used)
    finally:
        reader.budget.settle(cost, sum(used))
    for passage, answer in zip(document["passages"], answers, strict=True):
        grounded.add(answer, passage["text"], passage["id"])
    found = Extraction(
        extractor=extractor,
        content_hash=document["content_hash"],
        entities=grounded.entities,
        relations=grounded.relations,
    )
    await bridge.put_graph(document_id, found, collection=collection)
    counts = len(grounded.entities), len(grounded.relations), grounded.dropped, grounded.broken
    return Row(document_id, *counts, tokens=sum(used))


def summary(rows: Sequence[Row], tokens: int, language: Language) -> str:
    """One sentence about the run, which took `tokens`. Pure."""
    found = {name: sum(getattr(row, name) for row in rows) for name in ("entities", "relations", "dropped")}
    done = sum(not row.note for row in rows)
    return say("extracted", language, done=done, total=len(rows), tokens=tokens, **found)


async def _read_all(
    bridge: Bridge, reader: Reader, ids: Sequence[str], collection: str, extractor: str, language: Language
) -> list[Row]:
    """As many documents under way as passages may be read at the same time; rows in the order of `ids`."""
    under_way = asyncio.Semaphore(reader.at_once)
    key = f"extract-{collection.replace('_', '-')}"
    async with open_progress(key, len(ids), language) as progress:

        async def read_one(document_id: str) -> Row:
            async with under_way:
                row = await _row(bridge, reader, document_id, collection, extractor)
            await progress.step(1)
            return row

        return await asyncio.gather(*map(read_one, ids))


async def _row(bridge: Bridge, reader: Reader, document_id: str, collection: str, extractor: str) -> Row:
    """A document that left or changed while it was read, or that the model refuses, stops nobody else."""
    try:
        return await read(bridge, reader, document_id, collection, extractor)
    except (NotFound, DocumentChanged, BadRequest) as exc:
        return Row(document_id, note=exc.message)
