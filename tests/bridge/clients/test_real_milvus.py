"""The dense path over a real Milvus server (2.3.5, which knows no words) instead of Milvus Lite."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest

from servers.bridge.clients.milvus.client import version_has_bm25
from servers.bridge.http import store_queries
from servers.bridge.http.caller import Caller
from servers.bridge.http.requests import MilvusInsert, MilvusSearch
from servers.bridge.services import Services, open_services
from tests.bridge.remote_milvus import missing, running
from tools.access.identity import LOCAL
from tools.errors import BadRequest, CollectionNotFound
from tools.schema import Document, SearchRequest
from tools.settings import Settings

SIZE = 384


@pytest.fixture(scope="session")
def remote(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    environment = str(request.config.getoption("--milvus-server"))
    reason = missing(environment)
    if reason:
        pytest.skip(reason)
    home: Path = tmp_path_factory.mktemp("milvus") / "data"
    home.mkdir()
    with running(environment, home) as uri:
        yield uri


@pytest.fixture
async def opened(remote: str, graph: Settings) -> AsyncIterator[Services]:
    calm = graph.stores.model_copy(update={"deadline_s": 30.0, "milvus_uri": remote})
    async with open_services(graph.model_copy(update={"stores": calm})) as stores:
        stores.search.retrievers.deadline_s = 60.0
        yield stores


def asking(services: Services) -> Caller:
    return Caller(LOCAL, services)


def axis(number: int) -> list[float]:
    return np.eye(SIZE, dtype=np.float32)[number].tolist()


def near(vector: list[float], **values: object) -> MilvusSearch:
    return MilvusSearch.model_validate({"collection": "raw", "vector": vector, **values})


def rows(count: int) -> list[dict]:
    return [
        {"id": f"r{n}", "text": f"ñandú {n}", "dense": axis(n), "metadata": {"n": n}} for n in range(count)
    ]


@pytest.mark.parametrize(
    ("version", "known"),
    [("v2.3.5-lite", False), ("2.4.23", False), ("2.5.0", True), ("v2.6.4-dev", True), ("lite", True)],
)
def test_a_server_before_2_5_is_known_to_index_no_words(version: str, *, known: bool) -> None:
    assert version_has_bm25(version) is known


async def test_the_server_is_the_real_one(opened: Services) -> None:
    state = await opened.milvus.check()
    assert (state.status, (state.version or "")[:4]) == ("connected", "v2.3")


async def test_rows_are_inserted_found_filtered_replaced_and_deleted(opened: Services) -> None:
    inserted = MilvusInsert(collection="raw", rows=rows(20))
    assert await store_queries.insert_vectors(asking(opened), inserted) == 20
    assert [item.name for item in await store_queries.collections(asking(opened))] == ["raw"]
    found = await store_queries.search_vectors(asking(opened), near(axis(3), top_k=2))
    assert (found[0]["id"], found[0]["text"], found[0]["metadata"]) == ("r3", "ñandú 3", {"n": 3})
    assert found[0]["score"] == pytest.approx(1.0)
    narrowed = near(axis(3), filter='metadata["n"] > 17')
    assert {row["id"] for row in await store_queries.search_vectors(asking(opened), narrowed)} == {
        "r18",
        "r19",
    }
    physical = (await opened.repository.where("default", "raw")).physical
    changed = MilvusInsert(collection="raw", rows=[{**rows(4)[3], "text": "changed"}])
    await store_queries.insert_vectors(asking(opened), changed)
    assert (await store_queries.search_vectors(asking(opened), near(axis(3))))[0]["text"] == "changed"
    assert await opened.milvus.count(physical) == 20
    await opened.milvus.delete(physical, ["r3", "r4"])
    assert await opened.milvus.get(physical, ["r3", "r5"], fields=["id"]) == {"r5": {"id": "r5"}}
    assert await opened.milvus.count(physical) == 18


async def test_its_errors_are_ours(opened: Services) -> None:
    await store_queries.insert_vectors(asking(opened), MilvusInsert(collection="wrong", rows=rows(1)))
    with pytest.raises(BadRequest, match="dimension") as short:
        await store_queries.search_vectors(asking(opened), near([1.0] * 8, collection="wrong"))
    assert short.value.code == "wrong_dimension"
    with pytest.raises(BadRequest) as unknown:
        await store_queries.search_vectors(
            asking(opened), near(axis(0), collection="wrong", filter="nothing == 1")
        )
    assert unknown.value.code == "invalid_filter"
    with pytest.raises(CollectionNotFound):
        await opened.milvus.dense("nowhere", axis(0), limit=1)


async def test_documents_are_found_by_meaning_there_and_by_words_in_postgresql(opened: Services) -> None:
    documents = [
        Document(id="sea", title="Ports", text="Ships sail across the ocean and rest in harbours."),
        Document(id="bread", title="Ovens", text="Bakers knead dough and bake loaves of bread."),
    ]
    report = await opened.ingest.upsert("default", "old", documents)
    assert (report.accepted, report.failed) == (2, [])
    found = await opened.search.run("default", SearchRequest(query="vessels at sea", collection="old"))
    assert found.results[0].document_id == "sea"
    assert "milvus" in found.degraded
    worded = SearchRequest(query="bake loaves", collection="old", legs=["text"])
    assert (await opened.search.run("default", worded)).results[0].document_id == "bread"
    await opened.ingest.delete("default", "old", "sea")
    left = await opened.search.run("default", SearchRequest(query="vessels on the sea", collection="old"))
    assert [hit.document_id for hit in left.results] == ["bread"]
