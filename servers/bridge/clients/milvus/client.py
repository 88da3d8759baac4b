"""The Milvus client: collections of passages, dense and BM25 search, upsert, delete.

The fields of a collection are `schema`'s, what a filter may say is `filters`', which searches travel together
is `batching`'s.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import grpc
import numpy as np
from pymilvus import AsyncMilvusClient
from pymilvus.exceptions import MilvusException

from servers.bridge.clients.milvus import error_codes
from servers.bridge.clients.milvus.batching import Batcher
from servers.bridge.clients.milvus.residency import WAIT_S, Residency
from servers.bridge.clients.milvus.schema import indexes, schema
from servers.bridge.clients.store_client import StoreClient
from tools.errors import BadRequest, StoreUnavailable
from tools.schema import JsonObject
from tools.settings import Settings

KEEPALIVE = {"grpc.keepalive_time_ms": 310_000, "grpc.keepalive_permit_without_calls": False}
"""The library pings every 10 s; gRPC servers with gRPC's own default (one ping in five minutes) answer
`too_many_pings` and hang up, and what is asked at that moment fails."""
BM25_SINCE = (2, 5)
OUTPUT_FIELDS = ["document_id", "title", "source", "heading", "language", "text", "metadata"]
BATCH_HITS = 400
"""Hits that one call brings at most, for however many searches."""
DENSE_PARAMS = {"params": {"nprobe": 32}}


@dataclass(frozen=True)
class SearchShape:
    """What searches must have in common to be made with one call; `size` is a vector's dimensions."""

    collection: str
    field: str
    size: int
    limit: int
    filter: str
    fields: tuple[str, ...]


class MilvusHit(TypedDict):
    """One row found: the cosine (dense) or BM25 score as `distance`, and the fields that were asked for."""

    id: str
    distance: float
    entity: JsonObject


class Milvus(StoreClient):
    """One lazy connection; a broken one is thrown away and the next call makes a new one."""

    source = "milvus"

    def __init__(self, uri: str, token: str, *, deadline_s: float, lock: Path | None = None) -> None:
        super().__init__(uri.partition("://")[2] or uri, deadline_s=deadline_s)
        self.uri, self.token = uri, token
        self.lite = False
        self._has_bm25: bool | None = None
        self._client: AsyncMilvusClient | None = None
        self.batcher: Batcher[SearchShape, Any, Any] = Batcher(
            self._search_many, question_errors=MilvusException
        )
        self.residency = Residency(lock, self._give_back) if lock else None
        """Of Milvus Lite's memory; a server of its own looks after that itself."""

    @property
    def client(self) -> AsyncMilvusClient:
        """The library's client, made at first use and after a broken connection."""
        if self._client is None:
            self._client = AsyncMilvusClient(
                self.uri, token=self.token, timeout=self.deadline_s, grpc_options=KEEPALIVE
            )
        return self._client

    async def close(self) -> None:
        """Searches that wait are cancelled, then the connection is closed."""
        await self.batcher.close()
        if self.residency is not None:
            await self.residency.close()
        if self._client is not None:
            await self._client.close()

    def using(self, name: str) -> AbstractAsyncContextManager[None]:
        """While a collection is read or written it stays in memory."""
        return nullcontext() if self.residency is None else self.residency.using(name)

    async def _give_back(self, name: str) -> None:
        await self.client.release_collection(name, timeout=WAIT_S)

    async def version(self) -> str:
        """What the server says; Milvus Lite has no version call, so listing proves that it answers."""
        if not self.lite:
            try:
                return str(await self.client.get_server_version())
            except grpc.aio.AioRpcError as exc:
                if exc.code() is not grpc.StatusCode.UNIMPLEMENTED:
                    raise
                self.lite = True
        await self.client.list_collections()
        return "lite"

    async def has_bm25(self, *, deadline_s: float | None = None) -> bool:
        """True where the server has BM25; else collections hold vectors alone, and PostgreSQL finds words."""
        if self._has_bm25 is None:
            self._has_bm25 = version_has_bm25(await self.call(self.version(), deadline_s=deadline_s))
        return self._has_bm25

    async def names(self) -> list[str]:
        """Every collection of the server, ours or not."""
        return await self.call(self.client.list_collections())

    async def describe(self, name: str) -> JsonObject:
        """What pymilvus says of a collection. Raises CollectionNotFound."""
        return await self.call(self.client.describe_collection(name))

    async def ensure(self, name: str, *, dimensions: int) -> None:
        """Create the collection of passages, with vectors of so many `dimensions`, when it is missing."""
        if await self.call(self.client.has_collection(name), deadline_s=WAIT_S):
            return
        bm25 = await self.has_bm25(deadline_s=WAIT_S)
        fields, made = schema(dimensions, bm25=bm25), indexes(bm25=bm25)
        async with self.using(name):
            work = self.client.create_collection(
                name, schema=fields, index_params=made, consistency_level="Strong"
            )
            await self.call(work, deadline_s=WAIT_S)

    async def count(self, name: str) -> int:
        """How many rows it holds; 0 when it is missing."""
        if not await self.call(self.client.has_collection(name), deadline_s=WAIT_S):
            return 0
        async with self.using(name):
            work = self.client.query(name, filter="", output_fields=["count(*)"])
            return int((await self.call(work, deadline_s=WAIT_S))[0]["count(*)"])

    async def drop(self, name: str) -> None:
        """Remove a collection with all its rows."""
        async with self.using(name):
            await self.call(self.client.drop_collection(name), deadline_s=WAIT_S)
        if self.residency is not None:
            self.residency.forget(name)

    async def dense(
        self,
        name: str,
        vector: Sequence[float],
        *,
        limit: int,
        filter: str = "",
        fields: list[str] | None = None,
        deadline_s: float | None = None,
    ) -> list[MilvusHit]:
        """Nearest passages by cosine in [-1, 1], best first; `filter` is a compiled one.

        Raises BadRequest for what is no vector of float32, CollectionNotFound, StoreUnavailable."""
        with np.errstate(over="ignore"):
            point = np.asarray(vector, dtype=np.float32)
        if not np.isfinite(point).all():
            message = "the vector holds what is no number of 32 bits"
            raise BadRequest(message, source="milvus", param="vector", code="invalid_value")
        shape = SearchShape(
            name, "dense", len(point), limit, filter, tuple(OUTPUT_FIELDS if fields is None else fields)
        )
        return await self._search(shape, point, deadline_s)

    async def text(
        self,
        name: str,
        tokens: str,
        *,
        limit: int,
        filter: str = "",
        fields: list[str] | None = None,
        deadline_s: float | None = None,
    ) -> list[MilvusHit]:
        """Best passages by BM25 for stems with blanks between; none for no `tokens`; the sign of
        `distance` differs between versions, its size does not. Raises as `dense`, without BM25 too."""
        if not tokens:
            return []
        if not await self.has_bm25(deadline_s=deadline_s):
            raise self.unavailable("is too old to find words (2.5 or later does)")
        shape = SearchShape(
            name, "sparse", 0, limit, filter, tuple(OUTPUT_FIELDS if fields is None else fields)
        )
        return await self._search(shape, tokens, deadline_s)

    async def _search(self, shape: SearchShape, question: Any, deadline_s: float | None) -> list[MilvusHit]:
        most = max(1, BATCH_HITS // shape.limit)
        return list(await self.call(self.batcher.submit(shape, question, most=most), deadline_s=deadline_s))

    async def _search_many(
        self, shape: SearchShape, questions: Sequence[Any], request_ids: str
    ) -> Sequence[Any]:
        try:
            async with asyncio.timeout(self.deadline_s), self.using(shape.collection):
                return await self.client.search(
                    shape.collection,
                    data=list(questions),
                    anns_field=shape.field,
                    limit=shape.limit,
                    filter=shape.filter,
                    output_fields=list(shape.fields),
                    client_request_id=request_ids,
                    search_params=DENSE_PARAMS if shape.field == "dense" else {},
                )
        except MilvusException as exc:
            if error_codes.is_wordless(exc):
                return [[] for _ in questions]
            raise

    async def get(self, name: str, ids: Sequence[str], *, fields: list[str]) -> dict[str, JsonObject]:
        """Rows with these `fields` by id; a missing id is missing in the answer."""
        found: dict[str, JsonObject] = {}
        async with self.using(name):
            for start in range(0, len(ids), 500):
                part = list(ids[start : start + 500])
                work = self.client.get(name, ids=part, output_fields=["id", *fields])
                found |= {row["id"]: dict(row) for row in await self.call(work, deadline_s=WAIT_S)}
        return found

    async def upsert(self, name: str, rows: Sequence[JsonObject]) -> None:
        """Insert or replace `rows`, each with every field of the schema. Raises BadRequest `invalid_row`."""
        async with self.using(name):
            for start in range(0, len(rows), 200):
                work = self.client.upsert(name, list(rows[start : start + 200]), timeout=60.0)
                await self.call(work, deadline_s=60.0)

    async def write(self, name: str, rows: Sequence[JsonObject]) -> None:
        """As `upsert`, for the only writer of these ids: what is new is inserted. To replace what is not
        there costs Milvus Lite a walk over all that is."""
        stored = await self.get(name, [row["id"] for row in rows], fields=[])
        fresh = [row for row in rows if row["id"] not in stored]
        async with self.using(name):
            for start in range(0, len(fresh), 200):
                # Once: of what was inserted before an answer was lost, the client would make a second row.
                work = self.client.insert(name, fresh[start : start + 200], retry_times=0)
                await self.call(work, deadline_s=60.0)
        await self.upsert(name, [row for row in rows if row["id"] in stored])

    async def delete(self, name: str, ids: Sequence[str]) -> None:
        """Remove rows by id; those that are missing do not matter."""
        async with self.using(name):
            for start in range(0, len(ids), 500):
                work = self.client.delete(name, ids=list(ids[start : start + 500]), timeout=60.0)
                await self.call(work, deadline_s=60.0)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """pymilvus' errors as BadRequest, CollectionNotFound, StoreUnavailable and UpstreamFailed."""
        try:
            yield
        except MilvusException as exc:
            raise error_codes.translated(exc, lite=self.lite) or self._broken() from exc
        except (grpc.RpcError, OSError) as exc:
            raise self._broken() from exc

    def _broken(self) -> StoreUnavailable:
        self._client = None
        return self.not_reachable()


def quoted(value: str) -> str:
    """A string literal of Milvus' filter language."""
    return json.dumps(value, ensure_ascii=False)


@asynccontextmanager
async def open_milvus(settings: Settings) -> AsyncIterator[Milvus]:
    """A client that connects on first use, closed at the end of the block."""
    # The client logs requests and their values at ERROR; the bridge reports errors itself.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    token = settings.stores.milvus_token
    store = Milvus(
        settings.milvus_uri,
        token.get_secret_value() if token else "",
        deadline_s=settings.stores.deadline_s,
        lock=settings.run_dir / "milvus.lock" if settings.stores.milvus_uri is None else None,
    )
    try:
        yield store
    finally:
        await store.close()


def version_has_bm25(version: str) -> bool:
    """Whether a server of this version has BM25: 2.5 and later, and Milvus Lite (which says "lite")."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return found is None or (int(found[1]), int(found[2])) >= BM25_SINCE
