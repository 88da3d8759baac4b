"""The bridge's HTTP surface for the four stores themselves: translation and nothing else."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query

from servers.bridge import raw
from servers.bridge.redis import checked_value, shelf_key
from servers.bridge.routes import Open, Tenant
from servers.bridge.wire import MilvusInsert, MilvusSearch, NebulaInsert, NebulaQuery, RedisSet, SqlQuery
from tools.errors import NotFound

router = APIRouter(prefix="/api/v1")


@router.post("/milvus/search", tags=["milvus"])
async def milvus_search(body: MilvusSearch, stores: Open, tenant: Tenant) -> dict[str, Any]:
    return {"results": await raw.search_vectors(stores, tenant, body)}


@router.post("/milvus/insert", tags=["milvus"])
async def milvus_insert(body: MilvusInsert, stores: Open, tenant: Tenant) -> dict[str, Any]:
    return {"inserted": await raw.insert_vectors(stores, tenant, body)}


@router.get("/milvus/collections", tags=["milvus"])
async def milvus_collections(stores: Open, tenant: Tenant) -> dict[str, Any]:
    return {"collections": await raw.collections(stores, tenant)}


@router.post("/nebula/query", tags=["nebula"])
async def nebula_query(body: NebulaQuery, stores: Open, tenant: Tenant) -> dict[str, Any]:
    started = time.monotonic()
    columns, rows = await raw.query_graph(stores, tenant, body)
    return {"columns": columns, "rows": rows, "latency_ms": round((time.monotonic() - started) * 1_000, 2)}


@router.get("/nebula/spaces", tags=["nebula"])
async def nebula_spaces(stores: Open, tenant: Tenant) -> dict[str, Any]:
    return {"spaces": await raw.spaces(stores, tenant)}


@router.post("/nebula/insert", tags=["nebula"])
async def nebula_insert(body: NebulaInsert, stores: Open, tenant: Tenant) -> dict[str, Any]:
    return {"inserted": await raw.insert_graph(stores, tenant, body)}


@router.post("/postgres/query", tags=["postgres"])
async def postgres_query(body: SqlQuery, stores: Open, tenant: Tenant) -> dict[str, Any]:
    return await stores.postgres.query(body.query, body.params, tenant=tenant, max_rows=body.max_rows)


@router.get("/postgres/tables", tags=["postgres"])
async def postgres_tables(stores: Open, tenant: Tenant) -> dict[str, Any]:
    return {"tables": await stores.postgres.tables(tenant=tenant)}


@router.get("/redis/get", tags=["redis"])
async def redis_get(
    stores: Open, tenant: Tenant, key: Annotated[str, Query(min_length=1, max_length=512)]
) -> dict[str, Any]:
    value = await stores.redis.get(shelf_key(tenant, key))
    if value is None:
        raise NotFound("there is no such key", param="key", source="redis")
    return {"key": key, "value": value.decode("utf-8", "replace")}


@router.post("/redis/set", tags=["redis"])
async def redis_set(body: RedisSet, stores: Open, tenant: Tenant) -> dict[str, Any]:
    await stores.redis.set(shelf_key(tenant, body.key), checked_value(body.value), ttl_s=body.ttl_s)
    return {"key": body.key, "stored": True}


@router.delete("/redis/delete", tags=["redis"])
async def redis_delete(
    stores: Open, tenant: Tenant, key: Annotated[str, Query(min_length=1, max_length=512)]
) -> dict[str, Any]:
    return {"key": key, "deleted": await stores.redis.delete(shelf_key(tenant, key))}
