"""HTTP routes to the four stores themselves (Milvus, NebulaGraph, PostgreSQL, Redis): translation only.

What happens between a request and the store is `store_queries`'.
"""

import time
from typing import Annotated

from fastapi import APIRouter, Query

from servers.bridge.access import audit
from servers.bridge.clients.postgres.rows import QueryResult
from servers.bridge.clients.redis import encoded_value, owned_key
from servers.bridge.http import store_queries
from servers.bridge.http.dependencies import AuditDep, ReadCaller, WriteCaller
from servers.bridge.http.requests import (
    MilvusInsert,
    MilvusSearch,
    NebulaInsert,
    NebulaQuery,
    RedisSet,
    SqlQuery,
)
from servers.bridge.http.responses import (
    Inserted,
    MilvusCollections,
    MilvusHits,
    NebulaResult,
    NebulaSpaces,
    PostgresTables,
    RedisDeleted,
    RedisStored,
    RedisValue,
)
from tools.errors import NotFound

router = APIRouter(prefix="/api/v1")


@router.post("/milvus/search", tags=["milvus"])
async def milvus_search(body: MilvusSearch, caller: ReadCaller, entry: AuditDep) -> MilvusHits:
    """Nearest rows of a collection to a vector or a text."""
    results = await store_queries.search_vectors(caller, body)
    entry.rows = len(results)
    return MilvusHits(results=results)


@router.post("/milvus/insert", tags=["milvus"])
async def milvus_insert(body: MilvusInsert, caller: WriteCaller, entry: AuditDep) -> Inserted:
    """Write rows into a collection, which is made when it is missing."""
    entry.rows = await store_queries.insert_vectors(caller, body)
    return Inserted(inserted=entry.rows)


@router.get("/milvus/collections", tags=["milvus"])
async def milvus_collections(caller: ReadCaller) -> MilvusCollections:
    """The collections that Milvus holds and the caller may read."""
    return MilvusCollections(collections=await store_queries.collections(caller))


@router.post("/nebula/query", tags=["nebula"])
async def nebula_query(body: NebulaQuery, caller: ReadCaller, entry: AuditDep) -> NebulaResult:
    """Run one nGQL statement in a space."""
    started = time.monotonic()
    await entry.set_statement(audit.ngql, body.query)
    columns, rows = await store_queries.query_graph(caller, body)
    entry.rows = len(rows)
    took_ms = round((time.monotonic() - started) * 1_000, 2)
    return NebulaResult(columns=columns, rows=rows, latency_ms=took_ms)


@router.get("/nebula/spaces", tags=["nebula"])
async def nebula_spaces(caller: ReadCaller) -> NebulaSpaces:
    """The spaces that the caller may read."""
    return NebulaSpaces(spaces=await store_queries.spaces(caller))


@router.post("/nebula/insert", tags=["nebula"])
async def nebula_insert(body: NebulaInsert, caller: WriteCaller, entry: AuditDep) -> Inserted:
    """Insert vertices and edges into a space."""
    entry.rows = await store_queries.insert_graph(caller, body)
    return Inserted(inserted=entry.rows)


@router.post("/postgres/query", tags=["postgres"])
async def postgres_query(body: SqlQuery, caller: ReadCaller, entry: AuditDep) -> QueryResult:
    """Run one SELECT or EXPLAIN as a read-only role."""
    await entry.set_statement(audit.sql, body.query)
    answer = await caller.own().postgres.query(
        body.query, body.params, principal=caller.principal, max_rows=body.max_rows
    )
    entry.rows = answer.row_count
    return answer


@router.get("/postgres/tables", tags=["postgres"])
async def postgres_tables(caller: ReadCaller) -> PostgresTables:
    """The tables and views that the caller's SQL may read."""
    return PostgresTables(tables=await caller.own().postgres.tables(principal=caller.principal))


@router.get("/redis/get", tags=["redis"])
async def redis_get(
    caller: ReadCaller, key: Annotated[str, Query(min_length=1, max_length=512)]
) -> RedisValue:
    """The value of one of the caller's keys."""
    value = await caller.own().redis.get(owned_key(caller.tenant, caller.owner, key))
    if value is None:
        raise NotFound("there is no such key", param="key", source="redis")
    return RedisValue(key=key, value=value.decode("utf-8", "replace"))


@router.post("/redis/set", tags=["redis"])
async def redis_set(body: RedisSet, caller: WriteCaller) -> RedisStored:
    """Store the value of one of the caller's keys."""
    await caller.own().redis.set(
        owned_key(caller.tenant, caller.owner, body.key), encoded_value(body.value), ttl_s=body.ttl_s
    )
    return RedisStored(key=body.key)


@router.delete("/redis/delete", tags=["redis"])
async def redis_delete(
    caller: WriteCaller, key: Annotated[str, Query(min_length=1, max_length=512)]
) -> RedisDeleted:
    """Remove one of the caller's keys."""
    return RedisDeleted(
        key=key, deleted=await caller.own().redis.delete(owned_key(caller.tenant, caller.owner, key))
    )
