"""HTTP routes to the four stores themselves (Milvus, NebulaGraph, PostgreSQL, Redis): translation only.

What happens between a request and the store is `store_queries`'.
"""

import time
from typing import Annotated

from fastapi import APIRouter, Query

from servers.bridge.access import audit
from servers.bridge.clients.postgres.rows import QueryResult
from servers.bridge.clients.redis import encoded_value, tenant_key
from servers.bridge.http import store_queries
from servers.bridge.http.dependencies import AuditDep, ReadPrincipal, ReadTenant, ServicesDep, WriteTenant
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
async def milvus_search(
    body: MilvusSearch, services: ServicesDep, tenant: ReadTenant, entry: AuditDep
) -> MilvusHits:
    """Nearest rows of a collection to a vector or a text."""
    results = await store_queries.search_vectors(services, tenant, body)
    entry.rows = len(results)
    return MilvusHits(results=results)


@router.post("/milvus/insert", tags=["milvus"])
async def milvus_insert(
    body: MilvusInsert, services: ServicesDep, tenant: WriteTenant, entry: AuditDep
) -> Inserted:
    """Write rows into a collection, which is made when it is missing."""
    entry.rows = await store_queries.insert_vectors(services, tenant, body)
    return Inserted(inserted=entry.rows)


@router.get("/milvus/collections", tags=["milvus"])
async def milvus_collections(services: ServicesDep, tenant: ReadTenant) -> MilvusCollections:
    """The tenant's collections that Milvus holds."""
    return MilvusCollections(collections=await store_queries.collections(services, tenant))


@router.post("/nebula/query", tags=["nebula"])
async def nebula_query(
    body: NebulaQuery, services: ServicesDep, principal: ReadPrincipal, entry: AuditDep
) -> NebulaResult:
    """Run one nGQL statement in a space."""
    started = time.monotonic()
    await entry.set_statement(audit.ngql, body.query)
    columns, rows = await store_queries.query_graph(services, principal, body)
    entry.rows = len(rows)
    took_ms = round((time.monotonic() - started) * 1_000, 2)
    return NebulaResult(columns=columns, rows=rows, latency_ms=took_ms)


@router.get("/nebula/spaces", tags=["nebula"])
async def nebula_spaces(services: ServicesDep, tenant: ReadTenant) -> NebulaSpaces:
    """The tenant's spaces."""
    return NebulaSpaces(spaces=await store_queries.spaces(services, tenant))


@router.post("/nebula/insert", tags=["nebula"])
async def nebula_insert(
    body: NebulaInsert, services: ServicesDep, tenant: WriteTenant, entry: AuditDep
) -> Inserted:
    """Insert vertices and edges into a space."""
    entry.rows = await store_queries.insert_graph(services, tenant, body)
    return Inserted(inserted=entry.rows)


@router.post("/postgres/query", tags=["postgres"])
async def postgres_query(
    body: SqlQuery, services: ServicesDep, tenant: ReadTenant, entry: AuditDep
) -> QueryResult:
    """Run one SELECT or EXPLAIN as a read-only role."""
    await entry.set_statement(audit.sql, body.query)
    answer = await services.postgres.query(body.query, body.params, tenant=tenant, max_rows=body.max_rows)
    entry.rows = answer.row_count
    return answer


@router.get("/postgres/tables", tags=["postgres"])
async def postgres_tables(services: ServicesDep, tenant: ReadTenant) -> PostgresTables:
    """The tables and views that the tenant's SQL may read."""
    return PostgresTables(tables=await services.postgres.tables(tenant=tenant))


@router.get("/redis/get", tags=["redis"])
async def redis_get(
    services: ServicesDep, tenant: ReadTenant, key: Annotated[str, Query(min_length=1, max_length=512)]
) -> RedisValue:
    """The value of one of the tenant's keys."""
    value = await services.redis.get(tenant_key(tenant, key))
    if value is None:
        raise NotFound("there is no such key", param="key", source="redis")
    return RedisValue(key=key, value=value.decode("utf-8", "replace"))


@router.post("/redis/set", tags=["redis"])
async def redis_set(body: RedisSet, services: ServicesDep, tenant: WriteTenant) -> RedisStored:
    """Store the value of one of the tenant's keys."""
    await services.redis.set(tenant_key(tenant, body.key), encoded_value(body.value), ttl_s=body.ttl_s)
    return RedisStored(key=body.key)


@router.delete("/redis/delete", tags=["redis"])
async def redis_delete(
    services: ServicesDep, tenant: WriteTenant, key: Annotated[str, Query(min_length=1, max_length=512)]
) -> RedisDeleted:
    """Remove one of the tenant's keys."""
    return RedisDeleted(key=key, deleted=await services.redis.delete(tenant_key(tenant, key)))
