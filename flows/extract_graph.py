"""Flow `extract_graph`: a model reads each passage, and what it finds joins the graph that search walks.

It goes on where it stopped: a document that this extractor has read as it is now is passed over. What is
asked and what is kept is `flows/ingestion/extraction.py`; where it is written is the bridge's.
"""

import asyncio
from dataclasses import asdict, dataclass
from typing import Annotated

from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.ingestion.extraction import Kept, extractor_of, keep, prompt, response_format
from flows.ingestion.progress import open_progress
from flows.operations.generation import generators
from flows.operations.messages import say
from flows.operations.retry import PATIENT
from tools.clients.bridge import Bridge, DocumentSummary, open_bridge
from tools.clients.pool import Pool, open_pool
from tools.errors import BadRequest, Capibara6Error, DocumentChanged, NotFound, Unavailable
from tools.schema import CollectionName, Extraction
from tools.settings import Language, load_settings

CHARS_A_TOKEN = 4


@dataclass(frozen=True)
class Row:
    """One document: what was found, dropped, not understood, what it took; or why it was left."""

    document: str
    entities: int = 0
    relations: int = 0
    dropped: int = 0
    broken: int = 0
    tokens: int = 0
    note: str = ""


@dataclass
class Budget:
    """Tokens of the whole run: taken for a document before it is read, corrected after."""

    left: int
    spent: int = 0

    def take(self, tokens: int) -> bool:
        if tokens > self.left:
            return False
        self.left -= tokens
        return True

    def settle(self, taken: int, used: int) -> None:
        self.left += taken - used
        self.spent += used


@dataclass
class Reader:
    """What reading a passage needs."""

    pool: Pool
    model: str
    answer_tokens: int
    budget: Budget
    free: asyncio.Semaphore


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
    language, extractor = settings.language, extractor_of(model)
    async with open_bridge(settings) as bridge, open_pool(settings) as pool:
        if model not in await generators(pool):
            raise Unavailable(say("model_away", language, model=model), source="pool")
        waiting = [row["id"] for row in await unread(bridge, collection, extractor)][:documents]
        reader = Reader(pool, model, answer_tokens, Budget(tokens), asyncio.Semaphore(at_once))
        begun = asyncio.Semaphore(at_once)
        async with open_progress(f"extract-{collection.replace('_', '-')}", len(waiting)) as progress:

            async def one(document_id: str) -> Row:
                async with begun:
                    row = await _row(bridge, reader, document_id, collection, extractor)
                await progress.step(1)
                return row

            rows = await asyncio.gather(*map(one, waiting))
    for row in rows:
        if row.note:
            log.warning(f"{row.document}: {row.note}")
    await acreate_table_artifact([asdict(row) for row in rows], key="extract-graph", description=extractor)
    found = {name: sum(getattr(row, name) for row in rows) for name in ("entities", "relations", "dropped")}
    done = sum(not row.note for row in rows)
    message = say("extracted", language, done=done, total=len(rows), tokens=reader.budget.spent, **found)
    log.info(message)
    return Completed(message=message, data=rows)


@task(task_run_name="unread", cache_policy=NO_CACHE, **PATIENT)
async def unread(bridge: Bridge, collection: str, extractor: str) -> list[DocumentSummary]:
    """The documents that this extractor has not read as they are now."""
    listed = await bridge.documents(collection=collection)
    return [row for row in listed if extractor not in row.get("extractors", [])]


@task(task_run_name="read {document_id}", cache_policy=NO_CACHE, **PATIENT)
async def read(bridge: Bridge, reader: Reader, document_id: str, collection: str, extractor: str) -> Row:
    """Read one document and write what was found; again, and the same is written."""
    document = await bridge.document(document_id, collection=collection)
    language: Language = "es" if document["language"] == "es" else "en"
    questions = [prompt(passage["text"], language) for passage in document["passages"]]
    wanted = sum(len(text) // CHARS_A_TOKEN + reader.answer_tokens for text in questions)
    if not reader.budget.take(wanted):
        return Row(document_id, note=say("no_tokens", language))
    kept, used = Kept(), list[int]()
    try:
        answers = await _answers(reader, questions, used)
    finally:
        reader.budget.settle(wanted, sum(used))
    for passage, answer in zip(document["passages"], answers, strict=True):
        keep(kept, answer, passage["text"], passage["id"])
    found = Extraction(
        extractor=extractor,
        content_hash=document["content_hash"],
        entities=kept.entities,
        relations=kept.relations,
    )
    await bridge.put_graph(document_id, found, collection=collection)
    return Row(document_id, len(kept.entities), len(kept.relations), kept.dropped, kept.broken, sum(used))


async def _row(bridge: Bridge, reader: Reader, document_id: str, collection: str, extractor: str) -> Row:
    """A document that left or changed while it was read, or that the model refuses, stops nobody else."""
    try:
        return await read(bridge, reader, document_id, collection, extractor)
    except (NotFound, DocumentChanged, BadRequest) as exc:
        return Row(document_id, note=exc.message)


async def _answers(reader: Reader, questions: list[str], used: list[int]) -> list[str]:
    """One answer a question, in order; the tokens that each took join `used`. The first failure ends all."""
    try:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(_ask(reader, question, used)) for question in questions]
    except* Capibara6Error as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in asked]


async def _ask(reader: Reader, question: str, used: list[int]) -> str:
    parts: list[str] = []
    tokens = 0
    request = {
        "max_tokens": reader.answer_tokens,
        "temperature": 0,
        "response_format": response_format(),
        "stream_options": {"include_usage": True},
    }
    async with reader.free:
        messages = [{"role": "user", "content": question}]
        async for chunk in reader.pool.chat(messages, model=reader.model, **request):
            tokens = (chunk.get("usage") or {}).get("total_tokens", tokens)
            parts += [choice.get("delta", {}).get("content") or "" for choice in chunk.get("choices", [])]
    answer = "".join(parts)
    used.append(tokens or (len(question) + len(answer)) // CHARS_A_TOKEN)
    return answer
