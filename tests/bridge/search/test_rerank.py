"""The reranking stage against small real servers that score, babble, fail or are late."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from servers.bridge.search.rerank import Reranker, scores_in
from servers.bridge.services import open_services
from tests.bridge.conftest import Shelf
from tests.bridge.deadlines import open_without_deadlines
from tools.clients.http import open_http
from tools.errors import BadRequest, Capibara6Error, UpstreamFailed, UpstreamSilent
from tools.schema import Document, Hit, SearchRequest
from tools.settings import Settings

HITS = [Hit(id=key, document_id=key, text=key, score=score) for key, score in (("a", 0.9), ("b", 0.5))]
BABBLE = "As an AI I like both."


class Model:
    """Speaks OpenAI's chat completions and `/v1/rerank`; answers what it is told to."""

    def __init__(
        self, content: str = "", *, status: int = 200, body: Any = None, silent: bool = False
    ) -> None:
        self.content, self.status, self.body, self.silent = content, status, body, silent
        self.asked: list[dict[str, Any]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.split("content-length:")[1].split("\r\n")[0])
            self.asked.append(json.loads(await reader.readexactly(length)))
            if self.silent:
                await reader.read()
                return
            answer = {"choices": [{"message": {"role": "assistant", "content": self.content}}]}
            data = json.dumps(answer if self.body is None else self.body).encode()
            start = f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(data)}\r\nconnection: close\r\n\r\n"
            writer.write(start.encode() + data)
            await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def serving(model: Model) -> AsyncIterator[str]:
    server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def reranker(model: Model, *, deadline_s: float = 30.0, cross: bool = False) -> AsyncIterator[Reranker]:
    async with serving(model) as url, open_http(url, "rerank") as http:
        yield Reranker(http, model="judge", deadline_s=deadline_s, passages=20, cross_encoder=cross)


async def test_a_model_of_the_pool_turns_the_order() -> None:
    model = Model('Sure: {"scores": [1, 9.5]}')
    async with reranker(model) as stage:
        found = await stage.rerank("which?", HITS)
    assert [hit.id for hit in found] == ["b", "a"]
    assert found[0].legs["rerank"] == {"rank": 1, "score": 0.95}
    assert all(0 <= hit.score <= 1 for hit in found)
    assert (model.asked[0]["model"], model.asked[0]["temperature"]) == ("judge", 0)


async def test_a_cross_encoder_turns_the_order() -> None:
    rows = [{"index": 0, "relevance_score": -4.0}, {"index": 1, "relevance_score": 6.0}]
    model = Model(body={"results": rows})
    async with reranker(model, cross=True) as stage:
        assert [hit.id for hit in await stage.rerank("which?", HITS)] == ["b", "a"]
    assert model.asked[0]["documents"] == ["a", "b"]


async def test_what_is_not_judged_stays_below_in_its_order() -> None:
    more = [*HITS, *(Hit(id=f"z{n}", document_id="z", text="z", score=0.4 - n / 10) for n in range(3))]
    async with reranker(Model('{"scores": [0, 10]}')) as stage:
        stage.passages = 2
        found = await stage.rerank("which?", more)
    assert [hit.id for hit in found] == ["b", "a", "z0", "z1", "z2"]


@pytest.mark.parametrize(
    "content",
    [BABBLE, '{"scores": [1]}', '{"scores": [1, "2"]}', '{"scores": [1, 11]}', '{"scores": [NaN, 1]}', "{}"],
)
def test_scores_that_are_not_one_for_each_are_refused(content: str) -> None:
    with pytest.raises(UpstreamFailed):
        scores_in(content, count=2, most=10)


@pytest.mark.parametrize(
    "model",
    [Model(BABBLE), Model(status=500), Model(body={"choices": []}), Model(body=[])],
    ids=["babbling", "failing", "empty", "strange"],
)
async def test_a_model_that_does_not_score_is_an_error(model: Model) -> None:
    async with reranker(model) as stage:
        with pytest.raises(Capibara6Error):
            await stage.rerank("which?", HITS)


async def test_a_late_model_is_an_error_at_the_deadline() -> None:
    async with reranker(Model(silent=True), deadline_s=0.05) as stage:
        with pytest.raises(UpstreamSilent):
            await stage.rerank("which?", HITS)


POOL = Document(id="pool", title="Pool", text="The pool keeps at most three models loaded.")
PORT = Document(id="port", title="Port", text="The pool of models listens on port 8082.")
QUESTION = SearchRequest(query="pool of models", collection="rerank", rerank=True)


def configured(graph: Settings, url: str) -> Settings:
    search = graph.search.model_copy(update={"reranker": "judge", "rerank_s": 30.0})
    return graph.model_copy(update={"vllm_url": url, "search": search})


async def test_a_search_is_reranked_when_it_asks_for_it(graph: Settings) -> None:
    model = Model('{"scores": [1, 9]}')
    async with serving(model) as url, open_without_deadlines(configured(graph, url)) as stores:
        await stores.ingest.upsert("default", "rerank", [POOL, PORT])
        plain = await stores.search.run("default", QUESTION.model_copy(update={"rerank": False}))
        turned = await stores.search.run("default", QUESTION)
        assert [hit.id for hit in turned.results] == [hit.id for hit in reversed(plain.results)]
        assert (turned.degraded, len(model.asked)) == ([], 1)
        assert (await stores.search.run("default", QUESTION)).cache == "exact"


async def test_a_failing_model_leaves_the_order_and_is_told(graph: Settings) -> None:
    async with serving(Model(BABBLE)) as url, open_without_deadlines(configured(graph, url)) as stores:
        await stores.ingest.upsert("default", "rerank", [POOL, PORT])
        question = QUESTION.model_copy(update={"query": "pool of many models"})
        plain = await stores.search.run("default", question.model_copy(update={"rerank": False}))
        found = await stores.search.run("default", question)
        assert (found.degraded, found.cached) == (["rerank"], False)
        assert [hit.id for hit in found.results] == [hit.id for hit in plain.results]


async def test_without_a_model_the_wish_is_a_mistake_of_the_caller(graph: Settings) -> None:
    async with open_services(graph) as stores:
        with pytest.raises(BadRequest) as caught:
            await stores.search.run("default", QUESTION)
    assert caught.value.code == "reranker_not_configured"


def test_the_door_says_so_too(shelf: Shelf) -> None:
    shelf.put(pool=POOL.text)
    body = {"query": "pool", "collection": shelf.name, "rerank": True}
    answer = shelf.client.post("/api/v1/rag/hybrid-search", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "reranker_not_configured")
