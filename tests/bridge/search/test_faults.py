"""Services that die, lie or hang: the bridge degrades, says so, and recovers by itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from servers.bridge.services import Services, open_services
from tests.bridge.proxy import Proxy, address_of, behind, eventually
from tests.bridge.snapshot import snapshot
from tools.access.identity import LOCAL
from tools.errors import CollectionNotFound, StoreUnavailable
from tools.schema import Document, SearchRequest
from tools.sections import Embedder
from tools.settings import Settings

POOL = Document(id="pool", title="Pool", text="The pool keeps at most three models loaded at once.")


@pytest.fixture(params=["e5", "minilm"])
def either(graph: Settings, request: pytest.FixtureRequest) -> Settings:
    """Settings with either of the built-in embedders as the default one."""
    return graph.model_copy(update={"embedder": Embedder(backend=request.param)})


def shelf_of(settings: Settings) -> str:
    """The collection of these tests that has the default embedder of `settings`."""
    backend = settings.embedder.backend
    return "faults" if backend == "ensemble" else f"faults_{backend}"


@asynccontextmanager
async def proxied(settings: Settings, name: str) -> AsyncIterator[tuple[Proxy, Services]]:
    """The bridge's stores with a proxy before Milvus or Redis, and one document ingested."""
    proxy = Proxy(address_of(settings, name))
    await proxy.start()
    async with open_services(behind(settings, name, proxy.port)) as stores:
        await stores.ingest.upsert("default", shelf_of(settings), [POOL])
        try:
            yield proxy, stores
        finally:
            proxy.flowing.set()
            await proxy.stop()


def ask(query: str, collection: str = "faults") -> SearchRequest:
    return SearchRequest(query=query, collection=collection)


async def repaired(stores: Services, collection: str) -> None:
    """Wait until a graph that is back has been told all of a collection, and these stores reach it: another
    replica may have told it while they still took it for dead."""
    location = stores.repository.location("default", collection)
    for _ in range(300):
        with contextlib.suppress(StoreUnavailable):
            await stores.ingest.repair()
            await stores.nebula.spaces()
            held, _ = await stores.repository.documents(location)
            if held and all(row.in_graph for row in held):
                return
        await asyncio.sleep(0.1)
    raise AssertionError("something was never told")


async def recovered(stores: Services, query: str, collection: str) -> bool:
    for number in range(100):
        answer = await stores.search.run("default", ask(f"{query} {number}", collection))
        if not answer.degraded:
            return True
        await asyncio.sleep(0.1)
    return False


async def test_without_milvus_the_words_are_still_found(either: Settings) -> None:
    async with proxied(either, "milvus") as (proxy, stores):
        await proxy.stop()
        answer = await stores.search.run("default", ask("three models loaded", shelf_of(either)))
        assert [hit.document_id for hit in answer.results] == ["pool"]
        assert {"milvus", "dense"} <= set(answer.degraded)
        await proxy.start()
        assert await recovered(stores, "models loaded again", shelf_of(either))


async def test_a_hanging_milvus_costs_one_leg_deadline(either: Settings) -> None:
    async with proxied(either, "milvus") as (proxy, stores):
        await stores.embedder.embed(["loaded before, for it is Milvus that hangs"], "query")
        proxy.flowing.clear()
        answer = await stores.search.run("default", ask("models loaded while hanging", shelf_of(either)))
        assert "dense" in answer.degraded
        assert answer.took_ms < 4_000
        proxy.flowing.set()
        assert await recovered(stores, "models after hanging", shelf_of(either))


async def test_without_redis_the_answers_are_the_same(either: Settings) -> None:
    async with proxied(either, "redis") as (proxy, stores):
        with_cache = await stores.search.run("default", ask("how many models", shelf_of(either)))
        await proxy.stop()
        without = await stores.search.run("default", ask("how many models", shelf_of(either)))
        assert without.results == with_cache.results
        assert without.degraded == []
        with pytest.raises(StoreUnavailable) as caught:
            await stores.redis.get("anything")
        assert (caught.value.source, caught.value.retry_after) == ("redis", 1)
        await proxy.start()
        await eventually(lambda: stores.redis.get("anything"), None)


async def test_a_hanging_redis_is_passed_by(either: Settings) -> None:
    async with proxied(either, "redis") as (proxy, stores):
        proxy.flowing.clear()
        answer = await stores.search.run("default", ask("a question while redis hangs", shelf_of(either)))
        assert [hit.document_id for hit in answer.results] == ["pool"]


@pytest.mark.parametrize(
    "planted",
    [b"", b"\x80\x04\x95", b"null", b"[]", b'{"lc": 1, "type": "constructor", "id": ["os", "system"]}',
     b'{"results": [{"id": 1}]}', b"{", b"\xff" * 100, b'{"results": "x"}'],
)  # fmt: skip
async def test_a_foreign_value_in_the_cache_is_ignored(graph: Settings, planted: bytes) -> None:
    async with open_services(graph) as stores:
        await stores.ingest.upsert("default", "faults", [POOL])
        request = ask("what is planted in the cache")
        key = stores.search.cache.key("default", request, stores.embedder.name)
        await stores.redis.connection.set(key, planted)
        answer = await stores.search.run("default", request)
        assert (answer.cached, [hit.document_id for hit in answer.results]) == (False, ["pool"])
        await stores.redis.connection.delete(key)


async def test_without_postgres_the_search_goes_on_and_the_rest_is_503(graph: Settings) -> None:
    async with open_services(graph) as stores:
        await stores.ingest.upsert("default", "faults", [POOL])
        alive = await stores.search.run("default", ask("three models"))
        assert alive.results
    absent = graph.model_copy(update={"ports": graph.ports.model_copy(update={"postgres": 1})})
    async with open_services(absent) as stores:
        answer = await stores.search.run("default", ask("three models"))
        assert [hit.document_id for hit in answer.results] == ["pool"]
        assert "postgres" in answer.degraded
        with pytest.raises(StoreUnavailable) as caught:
            await stores.postgres.query("SELECT 1", [], principal=LOCAL, max_rows=1)
        assert caught.value.source == "postgres"


async def test_nothing_alive_is_503(settings: Settings) -> None:
    async with open_services(settings) as stores:
        with pytest.raises(StoreUnavailable):
            await stores.search.run("default", ask("anything"))
        states = [
            await store.check() for store in (stores.milvus, stores.redis, stores.postgres, stores.nebula)
        ]
        assert {state.status for state in states} == {"unreachable"}


async def test_documents_written_while_the_graph_was_away_are_linked_when_it_is_back(graph: Settings) -> None:
    absent = graph.model_copy(update={"ports": graph.ports.model_copy(update={"nebula": 1})})
    leland = Document(id="leland", title="Leland", text="Maximum Overdrive was shot there.")
    movie = Document(id="movie", title="Maximum Overdrive", text="Directed by Stephen King.")
    async with open_services(absent) as stores:
        report = await stores.ingest.upsert("default", "away", [leland, movie])
        assert report.accepted == 2
    async with open_services(graph) as stores:
        await repaired(stores, "away")
        request = SearchRequest(
            query="Who directed the film shot in Leland?", collection="away", explain=True
        )
        answer = await stores.search.run("default", request)
        assert {hit.document_id: hit.legs["graph"].get("path") for hit in answer.results}["movie"]


async def test_fault_37_an_expired_session_is_opened_again_once(graph: Settings) -> None:
    async with open_services(graph) as stores:
        await stores.ingest.upsert("default", "faults", [POOL])
        rows = await stores.nebula.execute("faults", "YIELD 1 AS one")
        (session,) = stores.nebula.idle["faults"]
        session.id = 987_654_321
        assert await stores.nebula.execute("faults", "YIELD 1 AS one") == rows


async def test_fault_37_a_space_that_is_missing_is_404_and_takes_no_session_with_it(graph: Settings) -> None:
    async with open_services(graph) as stores:
        await stores.ingest.upsert("default", "faults", [POOL])
        for _ in range(40):
            with pytest.raises(CollectionNotFound):
                await stores.nebula.execute("nowhere", "YIELD 1")
        assert (await stores.nebula.execute("faults", "YIELD 1 AS n"))[1] == [[1]]


async def test_fault_37_without_the_graph_the_search_goes_on_and_heals(graph: Settings) -> None:
    async with proxied(graph, "nebula") as (proxy, stores):
        assert (await stores.nebula.execute("faults", "YIELD 1 AS n"))[1] == [[1]]
        await proxy.stop()
        with pytest.raises(StoreUnavailable) as caught:
            await stores.nebula.execute("faults", "YIELD 1 AS n")
        assert (caught.value.source, caught.value.retry_after) == ("nebula", 1)
        answer = await stores.search.run("default", ask("models while the graph is away"))
        assert [hit.document_id for hit in answer.results] == ["pool"]
        await proxy.start()
        assert await recovered(stores, "models with the graph again", "faults")


async def test_fault_37_what_changes_without_the_graph_leaves_nothing_of_its_past_there(
    graph: Settings,
) -> None:
    async with proxied(graph, "nebula") as (proxy, stores):
        told = Document(id="told", title="Harbour", text="# Old\n\nThe `red_buoy` of the pier.")
        await stores.ingest.upsert("default", "unheard", [told])
        before = await snapshot(stores, "unheard")
        await proxy.stop()
        changed = told.model_copy(update={"title": "Lighthouse", "text": "# New\n\nA `blue_lamp`."})
        await stores.ingest.upsert("default", "unheard", [changed])
        await proxy.start()
        await repaired(stores, "unheard")
        found = await snapshot(stores, "unheard")
        assert found["unfinished"] == []
        assert not {line for line in before["graph"] if "document" not in line} & set(found["graph"])
        await stores.ingest.upsert("default", "never", [changed])
        assert found["graph"] == (await snapshot(stores, "never"))["graph"]


async def test_passages_whose_writing_was_answered_to_nobody_are_there_once(graph: Settings) -> None:
    async with proxied(graph, "milvus") as (proxy, stores):
        location = await stores.repository.where("default", "faults")
        names = [f"twice{number}" for number in range(8)]
        rows = [
            {
                **dict.fromkeys(("document_id", "title", "source", "heading", "text"), name),
                **{"id": name, "tenant": "default", "language": "en", "tokens": name, "metadata": {}},
                "dense": [1.0] + [0.0] * (stores.embedder.dimensions - 1),
            }
            for name in names
        ]

        async def found() -> list[str]:
            asked = stores.milvus.client.query(
                location.physical, filter='id like "twice%"', output_fields=["id"], limit=100
            )
            return sorted(row["id"] for row in await stores.milvus.call(asked))

        assert await found() == []
        real = stores.milvus.client.insert

        async def unheard(*given: Any, **named: Any) -> Any:
            proxy.deaf = True
            return await real(*given, **named)

        stores.milvus.client.insert = unheard
        with pytest.raises(StoreUnavailable):
            await stores.milvus.write(location.physical, rows)
        await eventually(found, names)
        await eventually(lambda: stores.milvus.write(location.physical, rows), None)
        await eventually(found, names)
