"""The services that a request may need, opened once and wired: store clients, embedders, ingestion, search.

It wires and closes; what each does is its own module's.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from servers.bridge.clients.milvus.client import Milvus, open_milvus
from servers.bridge.clients.nebula.client import Nebula, open_nebula
from servers.bridge.clients.postgres.client import Postgres, open_postgres
from servers.bridge.clients.redis import Redis, open_redis
from servers.bridge.embedding.embedder import Embedder
from servers.bridge.embedding.registry import EmbedderRegistry, open_embedders
from servers.bridge.graph.knowledge_graph import KnowledgeGraph
from servers.bridge.graph.subgraph import SubgraphReader
from servers.bridge.ingest.collections import Collections
from servers.bridge.ingest.jobs import Jobs
from servers.bridge.ingest.pipeline import Pipeline
from servers.bridge.ingest.reembed import Reembedding
from servers.bridge.manifest.collection_cache import CollectionCache
from servers.bridge.manifest.repository import Repository
from servers.bridge.manifest.sharing import Sharing
from servers.bridge.manifest.tables import CollectionRow
from servers.bridge.manifest.title_index import TitleIndex
from servers.bridge.search.answer_cache import AnswerCache
from servers.bridge.search.graph_retriever import GraphRetriever
from servers.bridge.search.hybrid import HybridSearch
from servers.bridge.search.orphans import OrphanFilter
from servers.bridge.search.rerank import open_reranker
from servers.bridge.search.retrievers import Retrievers
from servers.bridge.search.semantic_cache import SemanticCache
from tools.settings import Settings


@dataclass(frozen=True)
class Services:
    """What a route may use; nothing has connected anywhere when this is made."""

    milvus: Milvus
    nebula: Nebula
    postgres: Postgres
    redis: Redis
    embedders: EmbedderRegistry
    repository: Repository
    collection_cache: CollectionCache[CollectionRow]
    sharing_cache: CollectionCache[Sharing]
    ingest: Pipeline
    search: HybridSearch
    jobs: Jobs
    collections: Collections

    @property
    def embedder(self) -> Embedder:
        """The default embedder."""
        return self.embedders.default


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """The services, closed in reverse order at the end of the block; running jobs are cancelled."""
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(open_postgres(settings))
        redis = await stack.enter_async_context(open_redis(settings))
        milvus = await stack.enter_async_context(open_milvus(settings))
        nebula = await stack.enter_async_context(open_nebula(settings))
        embedders = await stack.enter_async_context(open_embedders(settings))
        reranker = await stack.enter_async_context(open_reranker(settings))
        embedder = embedders.default
        repository = Repository(postgres, embedder=embedder.name, dimensions=embedder.dimensions)
        graph, titles = KnowledgeGraph(nebula), TitleIndex(postgres)
        ingest = Pipeline(repository, titles, milvus, graph, embedders)
        graph_retriever = GraphRetriever(titles, SubgraphReader(nebula))
        search = HybridSearch(
            repository,
            Retrievers(repository, milvus, graph_retriever, embedders),
            AnswerCache(redis),
            SemanticCache(redis, similar=settings.search.similar),
            reranker,
            OrphanFilter(postgres, ingest.reconciler.report),
            default_collection=settings.chat.collection,
        )
        jobs = Jobs(ingest, postgres)
        stack.push_async_callback(jobs.close)
        collections = Collections(repository, embedders, Reembedding(repository, milvus, embedders), jobs)
        yield Services(
            milvus,
            nebula,
            postgres,
            redis,
            embedders,
            repository,
            CollectionCache(repository),
            CollectionCache(repository.sharings, stale_s=settings.access.cache_s),
            ingest,
            search,
            jobs,
            collections,
        )
