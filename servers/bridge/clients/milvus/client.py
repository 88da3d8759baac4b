"""The Milvus client: collections of passages, dense and BM25 search, raw search and insert."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from pymilvus import AsyncMilvusClient
from pymilvus.exceptions import DataNotMatchException, MilvusException, ParamError

from servers.bridge.clients.milvus.batching import Batcher
from servers.bridge.clients.milvus.schema import indexes, schema
from servers.bridge.clients.store_client import Store
from tools.errors import BadRequest, CollectionNotFound, UpstreamFailed
from tools.settings import Settings

CONNECT_CODES = {2}
NOT_FOUND = 100
BAD_EXPRESSION = 1100
UNREAD = ("expr", "FilterBits", "Cannot find field")
UNKNOWN_TO_LITE = (
    ", or says what only a Milvus server knows: Milvus Lite has !=, not in, and, or, like, json_contains; no "
    "not (…), not like, exists, arithmetic or chained comparison"
)
RARELY_PINGED = {"grpc.keepalive_time_ms": 310_000, "grpc.keepalive_permit_without_calls": False}
"""The client's own habit, every 10 s, makes gRPC servers with gRPC's own patience (five minutes) hang up, and
what is asked at that moment fails."""
BM25_SINCE = (2, 5)
SHOWN = ["document_id", "title", "source", "heading", "language", "text", "metadata"]
TOGETHER_ROWS = 400
"""So many hits a call brings at most, for however many searches."""
PROBES = {"params": {"nprobe": 32}}


@dataclass(frozen=True)
class Look:
    """What searches must have in common to be made with one call; `size` is that of a vector."""

    collection: str
    field: str
    size: int
    limit: int
    filter: str
    fields: tuple[str, ...]


class Milvus(Store):
    """One lazy connection; a broken one is thrown away and the next call makes a new one."""

    source = "milvus"

    def __init__(self, uri: str, token: str, *, deadline_s: float) -> None:
        super().__init__(uri.partition("://")[2] or uri, deadline_s=deadline_s)
        self.uri, self.token = uri, token
        self.lite = False
        self._wordy: bool | None = None
        self._client: AsyncMilvusClient | None = None
        self.crowd: Batcher[Look, Any, Any] = Batcher(self._looked, faults=MilvusException)

    @property
    def client(self) -> AsyncMilvusClient:
        if self._client is None:
            self._client = AsyncMilvusClient(
                self.uri, token=self.token, timeout=self.deadline_s, grpc_options=RARELY_PINGED
            )
        return self._client

    async def close(self) -> None:
        await self.crowd.close()
        if self._client is not None:
            await self._client.close()

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

    async def wordy(self, *, deadline_s: float | None = None) -> bool:
        """True where it indexes words; else collections hold vectors alone, and PostgreSQL finds words."""
        if self._wordy is None:
            self._wordy = indexes_words(await self.call(self.version(), deadline_s=deadline_s))
        return self._wordy

    async def names(self) -> list[str]:
        return await self.call(self.client.list_collections())

    async def describe(self, name: str) -> dict[str, Any]:
        return await self.call(self.client.describe_collection(name))

    async def ensure(self, name: str, *, dimensions: int) -> None:
        """Create the collection of passages when it is missing."""
        if await self.call(self.client.has_collection(name)):
            return
        wordy = await self.wordy()
        fields, made = schema(dimensions, wordy=wordy), indexes(wordy=wordy)
        work = self.client.create_collection(
            name, schema=fields, index_params=made, consistency_level="Strong"
        )
        await self.call(work, deadline_s=30.0)

    async def count(self, name: str) -> int:
        """How many rows it holds; 0 when it is missing."""
        if not await self.call(self.client.has_collection(name)):
            return 0
        work = self.client.query(name, filter="", output_fields=["count(*)"])
        return int((await self.call(work, deadline_s=30.0))[0]["count(*)"])

    async def drop(self, name: str) -> None:
        await self.call(self.client.drop_collection(name), deadline_s=30.0)

    async def dense(
        self,
        name: str,
        vector: Sequence[float],
        *,
        limit: int,
        filter: str = "",
        fields: list[str] | None = None,
        deadline_s: float | None = None,
    ) -> list[dict[str, Any]]:
        """Nearest passages by cosine: `{id, distance, entity}` each. Raises BadRequest for no vector."""
        with np.errstate(over="ignore"):
            point = np.asarray(vector, dtype=np.float32)
        if not np.isfinite(point).all():
            said = "the vector holds what is no number of 32 bits"
            raise BadRequest(said, source="milvus", param="vector", code="invalid_value")
        look = Look(name, "dense", len(point), limit, filter, tuple(SHOWN if fields is None else fields))
        return await self._together(look, point, deadline_s)

    async def text(
        self,
        name: str,
        tokens: str,
        *,
        limit: int,
        filter: str = "",
        fields: list[str] | None = None,
        deadline_s: float | None = None,
    ) -> list[dict[str, Any]]:
        """Best passages by BM25; the sign of `distance` differs between versions, its size does not."""
        if not tokens:
            return []
        if not await self.wordy(deadline_s=deadline_s):
            raise self.unavailable("is too old to find words (2.5 or later does)")
        look = Look(name, "sparse", 0, limit, filter, tuple(SHOWN if fields is None else fields))
        return await self._together(look, tokens, deadline_s)

    async def _together(self, look: Look, asked: Any, deadline_s: float | None) -> list[dict[str, Any]]:
        most = max(1, TOGETHER_ROWS // look.limit)
        return list(await self.call(self.crowd.join(look, asked, most=most), deadline_s=deadline_s))

    async def _looked(self, look: Look, asked: Sequence[Any], said: str) -> Sequence[Any]:
        async with asyncio.timeout(self.deadline_s):
            return await self.client.search(
                look.collection,
                data=list(asked),
                anns_field=look.field,
                limit=look.limit,
                filter=look.filter,
                output_fields=list(look.fields),
                client_request_id=said,
                search_params=PROBES if look.field == "dense" else {},
            )

    async def get(self, name: str, ids: Sequence[str], *, fields: list[str]) -> dict[str, dict[str, Any]]:
        """Rows by id; a missing id is missing in the answer."""
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(ids), 500):
            work = self.client.get(name, ids=list(ids[start : start + 500]), output_fields=["id", *fields])
            found |= {row["id"]: dict(row) for row in await self.call(work, deadline_s=30.0)}
        return found

    async def upsert(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        for start in range(0, len(rows), 200):
            work = self.client.upsert(name, list(rows[start : start + 200]), timeout=60.0)
            await self.call(work, deadline_s=60.0)

    async def write(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        """As `upsert`, for who alone writes these ids: what is new is inserted. To replace what is not there
        costs Milvus Lite a walk over all that is."""
        held = await self.get(name, [row["id"] for row in rows], fields=[])
        fresh = [row for row in rows if row["id"] not in held]
        for start in range(0, len(fresh), 200):
            # Once: of what was inserted before an answer was lost, the client would make a second row.
            work = self.client.insert(name, fresh[start : start + 200], retry_times=0)
            await self.call(work, deadline_s=60.0)
        await self.upsert(name, [row for row in rows if row["id"] in held])

    async def delete(self, name: str, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), 500):
            work = self.client.delete(name, ids=list(ids[start : start + 500]), timeout=60.0)
            await self.call(work, deadline_s=60.0)

    @contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except DataNotMatchException as exc:
            raise BadRequest(_plain(exc), source="milvus", code="invalid_row") from exc
        except ParamError as exc:
            raise BadRequest(_plain(exc), source="milvus", code="invalid_value") from exc
        except MilvusException as exc:
            raise self._error(exc) from exc
        except (grpc.RpcError, OSError) as exc:
            raise self._broken() from exc

    def _error(self, exc: MilvusException) -> Exception:
        text = str(exc.message)
        if exc.code in CONNECT_CODES or "unavailable" in text.lower():
            return self._broken()
        if exc.code == NOT_FOUND or "collection not found" in text:
            return CollectionNotFound("there is no such collection", source="milvus", param="collection")
        if exc.code == BAD_EXPRESSION or any(mark in text for mark in UNREAD):
            said = f"the filter is not valid{UNKNOWN_TO_LITE if self.lite else ''}"
            return BadRequest(said, source="milvus", param="filter", code="invalid_filter")
        if "dimension" in text or "vector size" in text:
            return BadRequest(
                "the vector has another dimension than the collection",
                source="milvus",
                param="vector",
                code="wrong_dimension",
            )
        return UpstreamFailed("milvus refused the operation", source="milvus")

    def _broken(self) -> Exception:
        self._client = None
        self.trip()
        return self.unavailable("is not reachable")


def quoted(value: str) -> str:
    """A string literal of Milvus' filter language."""
    return json.dumps(value, ensure_ascii=False)


@asynccontextmanager
async def open_milvus(settings: Settings) -> AsyncIterator[Milvus]:
    """A client that connects on first use."""
    # The client logs requests and their values at ERROR; the bridge reports errors itself.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    token = settings.stores.milvus_token
    store = Milvus(
        settings.milvus_uri,
        token.get_secret_value() if token else "",
        deadline_s=settings.stores.deadline_s,
    )
    try:
        yield store
    finally:
        await store.close()


def indexes_words(version: str) -> bool:
    """Whether a server of this version has BM25: 2.5 and later, and Milvus Lite (which says "lite")."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return found is None or (int(found[1]), int(found[2])) >= BM25_SINCE


def _plain(exc: MilvusException) -> str:
    return str(exc.message)[:300]
