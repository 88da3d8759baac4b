"""Tables that grow are counted at once: until then PostgreSQL walks a collection for each look into it."""

import pytest
from sqlalchemy import text

from servers.bridge.manifest import repository
from servers.bridge.manifest.repository import ANALYZE_CHUNKS
from servers.bridge.services import Services, open_services
from tests.bridge.proxy import eventually
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
