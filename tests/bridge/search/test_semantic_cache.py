"""The cache that knows a question in other words, and never takes one question for another."""

import numpy as np
import pytest

from servers.bridge.search.semantic_cache import (
    BUCKET_SIZE,
    CachedQuestion,
    SemanticCache,
    decoded,
    encoded,
    same_question,
)
from servers.bridge.services import Services, open_services
from tests.bridge.deadlines import open_without_deadlines
from tools.schema import Document, Language, SearchRequest, SearchResponse
from tools.settings import Settings

POOL = Document(
    id="pool", title="Pool", text="The pool keeps at most 3 models loaded at once, by Ada Lovelace."
)
ASKED = "How many models does the pool keep loaded at the same time?"
AGAIN = "how many models does the pool keep loaded at the same time"


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("es", "¿Cuántos modelos cargan 3 servidores?", "¿Cuántos modelos cargan 4 servidores?"),
        ("es", "¿Cuántos modelos hay con dos nodos?", "¿Cuántos modelos hay con tres nodos?"),
        ("en", "What did Ada write about it?", "What did Eva write about it?"),
        ("en", "When was the pool built?", "Where was the pool built?"),
        ("en", "Which models may be loaded?", "Which models may not be loaded?"),
        ("en", "How do I load a model?", "How do I unload a model?"),
        ("es", "¿Cómo cargar un modelo?", "¿Cómo descargar un modelo?"),
        ("en", "What is the maximum of models?", "What is the minimum of models?"),
        ("en", "What does load_s mean?", "What does idle_s mean?"),
        ("en", "Who translated it from Latin?", "Who translated it to Latin?"),
    ],
)
def test_what_a_vector_hardly_sees_makes_another_question(language: Language, one: str, other: str) -> None:
    for vector_tells in (True, False):
        assert same_question(one, one, language, vector_tells=vector_tells)
        assert not same_question(one, other, language, vector_tells=vector_tells)


def test_where_the_embedder_is_a_stranger_the_topic_words_must_be_the_same() -> None:
    one, other = "¿Dónde está la ciudad?", "¿Dónde está la capital?"
    assert not same_question(one, other, "es", vector_tells=False)
    assert same_question("¿Dónde está la ciudad?", "donde esta esa ciudad", "es", vector_tells=False)


def test_the_nearest_question_is_chosen_only_above_the_bound() -> None:
    cache = SemanticCache.__new__(SemanticCache)
    cache.similar = 0.97
    cached = [
        CachedQuestion("how is the pool", np.array([1.0, 0.0], dtype=np.float32)),
        CachedQuestion("how is the bridge", np.array([0.6, 0.8], dtype=np.float32)),
    ]
    assert cache.match("how is this pool", np.array([1.0, 0.0]), cached, "", ("en",)) == "how is the pool"
    assert cache.match("how is this pool", np.array([0.96, 0.28]), cached, "", ("en",)) is None
    assert cache.match("how is this pool", np.array([1.0]), cached, "", ("en",)) is None


def test_the_bound_follows_the_embedder_and_the_same_words_need_none() -> None:
    cache = SemanticCache.__new__(SemanticCache)
    cache.similar = 0.97
    cached = [CachedQuestion("How is the pool?", np.array([1.0, 0.0], dtype=np.float32))]
    near, far = np.array([0.98, 0.2]), np.array([0.6, 0.8])
    assert cache.match("how is this pool", near, cached, "minilm-l6-v2", ("en",)) == "How is the pool?"
    assert cache.match("how is this pool", near, cached, "multilingual-e5-small", ("en",)) is None
    assert cache.match("how is the pool", far, cached, "multilingual-e5-small", ("en",)) == "How is the pool?"


def test_a_remembered_vector_is_as_near_as_it_was() -> None:
    one, other = np.random.default_rng(7).normal(size=(2, 384))
    vectors = [(one + share * other) / np.linalg.norm(one + share * other) for share in (0.0, 0.1)]
    held = [decoded(encoded("a question", vector).encode()) for vector in vectors]
    assert held[0] is not None and held[1] is not None
    assert held[0].vector @ held[1].vector == pytest.approx(vectors[0] @ vectors[1], abs=3e-4)
    assert held[0].vector @ vectors[0] > 0.9998


def request(query: str, collection: str, **options: object) -> SearchRequest:
    return SearchRequest.model_validate({"query": query, "collection": collection, **options})


async def asked(stores: Services, query: str, collection: str, **options: object) -> SearchResponse:
    return await stores.search.run("default", request(query, collection, **options))


async def test_the_same_question_in_other_words_is_answered_from_the_cache(graph: Settings) -> None:
    async with open_without_deadlines(graph) as stores:
        await stores.ingest.upsert("default", "near", [POOL])
        first = await asked(stores, ASKED, "near")
        again = await asked(stores, AGAIN, "near")
        same = await asked(stores, ASKED, "near")
        assert (first.cached, first.cache) == (False, None)
        assert (again.cached, again.cache, again.results) == (True, "semantic", first.results)
        assert (same.cached, same.cache) == (True, "exact")


async def test_another_number_parameter_tenant_or_version_is_never_answered_from_it(graph: Settings) -> None:
    async with open_without_deadlines(graph) as stores:
        await stores.ingest.upsert("default", "far", [POOL])
        await stores.ingest.upsert("other", "far", [POOL])
        spanish = "¿Cuántos modelos carga la pool con 3 nodos?"
        await asked(stores, spanish, "far")
        await asked(stores, ASKED, "far")
        assert not (await asked(stores, spanish.replace("3", "4"), "far")).cached
        assert not (await asked(stores, AGAIN, "far", top_k=7)).cached
        assert not (await stores.search.run("other", request(AGAIN, "far"))).cached
        await stores.ingest.upsert("default", "far", [POOL.model_copy(update={"text": "Five models now."})])
        fresh = await asked(stores, AGAIN, "far")
        assert not fresh.cached
        assert fresh.results[0].text == "Five models now."


async def test_it_can_be_switched_off_and_what_it_remembers_is_bounded(graph: Settings) -> None:
    vector = np.array([1.0, 0.0])
    async with open_services(graph) as stores:
        cache = stores.search.semantic_cache
        for number in range(BUCKET_SIZE + 5):
            await cache.remember("capibara6:test:near:bounded", f"question {number}", vector)
        held = await cache.latest("capibara6:test:near:bounded")
        assert (len(held), held[0][0]) == (BUCKET_SIZE, f"question {BUCKET_SIZE + 4}")
        off = SemanticCache(stores.redis, similar=1.0)
        assert await off.latest("capibara6:test:near:bounded") == []


@pytest.mark.parametrize(
    "planted", [b"", b"{", b"null", b"[]", b'{"query": 1, "vector": "AAAA"}', b"\x80\x04"]
)
async def test_a_foreign_value_among_the_remembered_is_passed_by(graph: Settings, planted: bytes) -> None:
    async with open_services(graph) as stores:
        key = "capibara6:test:near:planted"
        await stores.redis.connection.rpush(key, planted)
        assert await stores.search.semantic_cache.latest(key) == []
        await stores.redis.connection.delete(key)
