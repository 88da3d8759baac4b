"""The bridge's HTTP surface for the four stores themselves: translation and nothing else."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query

from servers.bridge.access import audit
from servers.bridge.clients.redis import checked_value, shelf_key
from servers.bridge.http import store_queries
from servers.bridge.http.dependencies import Noted, Open, Reader, Reads, Writes
from servers.bridge.http.models import (
    MilvusInsert,
    MilvusSearch,
    NebulaInsert,
    NebulaQuery,
    RedisSet,
    SqlQuery,
)
from tools.errors import NotFound

router = APIRouter(prefix="/api/v1")


@router.post("/milvus/search", tags=["milvus"])
async def milvus_search(body: MilvusSearch, stores: Open, tenant: Reads, entry: Noted) -> dict[str, Any]:
    results = await store_queries.search_vectors(stores, tenant, body)
    entry.rows = len(results)
    return {"results": results}


@router.post("/milvus/insert", tags=["milvus"])
async def milvus_insert(body: MilvusInsert, stores: Open, tenant: Writes, entry: Noted) -> dict[str, Any]:
    entry.rows = await store_queries.insert_vectors(stores, tenant, body)
    return {"inserted": entry.rows}


@router.get("/milvus/collections", tags=["milvus"])
async def milvus_collections(stores: Open, tenant: Reads) -> dict[str, Any]:
    return {"collections": await store_queries.collections(stores, tenant)}


@router.post("/nebula/query", tags=["nebula"])
async def nebula_query(body: NebulaQuery, stores: Open, caller: Reader, entry: Noted) -> dict[str, Any]:
    started = time.monotonic()
    await entry.note(audit.ngql, body.query)
    columns, rows = await store_queries.query_graph(stores, caller, body)
    entry.rows = len(rows)
    return {"columns": columns, "rows": rows, "latency_ms": round((time.monotonic() - started) * 1_000, 2)}


@router.get("/nebula/spaces", tags=["nebula"])
async def nebula_spaces(stores: Open, tenant: Reads) -> dict[str, Any]:
    return {"spaces": await store_queries.spaces(stores, tenant)}


@router.post("/nebula/insert", tags=["nebula"])
async def nebula_insert(body: NebulaInsert, stores: Open, tenant: Writes, entry: Noted) -> dict[str, Any]:
    entry.rows = await store_queries.insert_graph(stores, tenant, body)
    return {"inserted": entry.rows}


@router.post("/postgres/query", tags=["postgres"])
async def postgres_query(body: SqlQuery, stores: Open, tenant: Reads, entry: Noted) -> dict[str, Any]:
    await entry.note(audit.sql, body.query)
    answer = await stores.postgres.query(body.query, body.params, tenant=tenant, max_rows=body.max_rows)
    entry.rows = answer["row_count"]
    return answer


@router.get("/postgres/tables", tags=["postgres"])
async def postgres_tables(stores: Open, tenant: Reads) -> dict[str, Any]:
    return {"tables": await stores.postgres.tables(tenant=tenant)}


@router.get("/redis/get", tags=["redis"])
async def redis_get(
    stores: Open, tenant: Reads, key: Annotated[str, Query(min_length=1, max_length=512)]
) -> dict[str, Any]:
    value = await stores.redis.get(shelf_key(tenant, key))
    if value is None:
        raise NotFound("there is no such key", param="key", source="redis")
    return {"key": key, "value": value.decode("utf-8", "replace")}


@router.post("/redis/set", tags=["redis"])
async def redis_set(body: RedisSet, stores: Open, tenant: Writes) -> dict[str, Any]:
    await stores.redis.set(shelf_key(tenant, body.key), checked_value(body.value), ttl_s=body.ttl_s)
    return {"key": body.key, "stored": True}


@router.delete("/redis/delete", tags=["redis"])
async def redis_delete(
    stores: Open, tenant: Writes, key: Annotated[str, Query(min_length=1, max_length=512)]
) -> dict[str, Any]:
    return {"key": key, "deleted": await stores.redis.delete(shelf_key(tenant, key))}
