"""What grows is looked after: tables are counted at once, or PostgreSQL would walk a collection for each look
into it; a batch leaves the process as small as it was, and did not fault its work space in anew.
"""

import asyncio
import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from subprocess import Popen

import httpx
import pytest
from sqlalchemy import text

from servers.bridge.embedding.minilm import MiniLM
from servers.bridge.manifest import repository
from servers.bridge.manifest.repository import ANALYZE_CHUNKS
from servers.bridge.process_memory import return_free_pages, return_large_blocks
from servers.bridge.services import Services, open_services
from tests.bridge.conftest import connected, serving, wait_until
from tests.bridge.proxy import eventually
from tests.ports import free_port
from tools.schema import Document
from tools.settings import Settings

COUNTED = "SELECT relname, analyze_count FROM pg_stat_user_tables WHERE relname IN ('chunks', 'documents')"


async def counted(stores: Services) -> dict[str, int]:
    async with stores.postgres.autocommit() as connection:
        return {name: count for name, count in (await connection.execute(text(COUNTED))).all()}


async def test_tables_are_counted_each_time_they_are_twice_as_large(graph: Settings) -> None:
    async with open_services(graph) as stores:
        await stores.ingest.upsert("default", "grown", [Document(id="one", text="One page.")])
        before = await counted(stores)
        for chunks, times in (
            (ANALYZE_CHUNKS, 1),
            (ANALYZE_CHUNKS - 1, 1),
            (2 * ANALYZE_CHUNKS, 2),
            (ANALYZE_CHUNKS, 2),
        ):
            await stores.repository.analyze_grown(chunks)
            await eventually(lambda: counted(stores), {name: count + times for name, count in before.items()})


async def test_a_table_that_somebody_holds_is_not_waited_for_for_ever(
    graph: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "ANALYZE_S", 0.05)
    async with open_services(graph) as stores:
        await stores.ingest.upsert("default", "held", [Document(id="one", text="One page.")])
        async with stores.postgres.session() as session:
            await session.execute(text("LOCK TABLE chunks IN SHARE UPDATE EXCLUSIVE MODE"))
            await stores.repository.analyze_grown(ANALYZE_CHUNKS)
        assert (await stores.repository.documents(await stores.repository.where("default", "held")))[1] == 1


async def test_an_ingestion_tells_how_much_came(graph: Settings) -> None:
    async with open_services(graph) as stores:
        text_ = "\n\n".join(f"# Part {number}\n\nWhat part {number} says." for number in range(5))
        document = Document(id="parts", text=text_)
        await stores.ingest.upsert("default", "told", [document])
        assert stores.repository.unanalyzed == 5
        await stores.ingest.upsert("default", "told", [document])
        assert stores.repository.unanalyzed == 5


children = multiprocessing.get_context("spawn")
Alone = tuple[Popen[bytes], httpx.Client]
PASSAGES = 64
TEXT = "The bridge writes each passage into Milvus, PostgreSQL and the graph, and counts what came. " * 7


@pytest.fixture
def alone(graph: Settings) -> Iterator[Alone]:
    """A bridge that nobody else asks, its embedder loaded."""
    ports = graph.ports.model_copy(update={"bridge": free_port()})
    settings = graph.model_copy(update={"ports": ports})
    with (
        serving(settings, "bridge") as child,
        httpx.Client(base_url=settings.bridge_url, timeout=60.0) as client,
    ):
        wait_until(lambda: connected(client, "milvus", "nebula", "postgres"))
        ingest(client, f"warm{child.pid}", 1)
        yield child, client


def ingest(client: httpx.Client, collection: str, count: int) -> None:
    documents = [{"id": f"d{number}", "text": f"Page {number}. {TEXT}"} for number in range(count)]
    answer = client.post("/api/v1/documents", json={"collection": collection, "documents": documents})
    assert answer.json()["accepted"] == count


def page_faults(child: Popen[bytes]) -> int:
    return int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[7])


def test_an_embedded_batch_does_not_fault_its_work_space_in_anew(alone: Alone) -> None:
    """Some 1,300 a passage, and 13,000 where each large block is mapped by itself."""
    child, client = alone
    before = page_faults(child)
    ingest(client, "page_faults", PASSAGES)
    assert (page_faults(child) - before) / PASSAGES < 4_000


def test_the_work_space_of_a_batch_goes_back_to_the_system(tmp_path: Path) -> None:
    """Some 100 MB would lie free otherwise."""
    here, there = children.Pipe()
    child = children.Process(target=embed_and_tell, args=(tmp_path, there))
    child.start()
    assert here.poll(200), "the child embedded nothing"
    free = here.recv()
    child.join(20)
    assert free < 24


def embed_and_tell(folder: Path, pipe: Connection) -> None:
    """The child: embeds a batch under the bridge's memory settings; how many MB lie free after it."""
    return_large_blocks()
    texts = [f"Page {number}. {TEXT}" for number in range(PASSAGES)]
    model = MiniLM(folder)
    asyncio.run(model.embed(texts))
    before = own_megabytes()
    return_free_pages()
    pipe.send(before - own_megabytes())


def own_megabytes() -> int:
    """Resident memory of this process that no file stands behind."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) >> 10
