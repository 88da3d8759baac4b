"""The bridge's HTTP surface for collections: made with an embedder and languages, listed, embedded again."""

from typing import Any

from fastapi import APIRouter, Response

from servers.bridge.http.dependencies import Open, Reads, Writes
from servers.bridge.http.models import CollectionRequest, CollectionView, ReembedRequest
from tools.schema import CollectionName, IngestReport

router = APIRouter(prefix="/api/v1")


@router.get("/collections", tags=["collections"])
async def collections(stores: Open, tenant: Reads) -> dict[str, list[CollectionView]]:
    return {"collections": [CollectionView(**row) for row in await stores.shelves.list(tenant)]}


@router.post("/collections", tags=["collections"], status_code=201)
async def create(body: CollectionRequest, stores: Open, tenant: Writes, response: Response) -> CollectionView:
    row, made = await stores.shelves.create(tenant, body.name, body.embedder, body.languages)
    response.status_code = 201 if made else 200
    return CollectionView(**row)


@router.post("/collections/{name}/reembed", tags=["collections"], status_code=202)
async def reembed(
    name: CollectionName, stores: Open, tenant: Writes, body: ReembedRequest | None = None
) -> IngestReport:
    """A job: progress and cancel as for ingestion."""
    return IngestReport(job_id=await stores.shelves.reembed(tenant, name, body.embedder if body else None))


@router.post("/collections/{name}/reconcile", tags=["collections"])
async def reconcile(name: CollectionName, stores: Open, tenant: Writes) -> dict[str, int]:
    """Passages that Milvus lost; they are written again within seconds."""
    return {"lost": await stores.ingest.reconciler.mark_lost(tenant, name)}


@router.get("/embedders", tags=["collections"])
async def embedders(stores: Open, _: Reads) -> dict[str, Any]:
    """Those that collections may have, by every name that they answer to."""
    named = [
        {"name": name, "model": item.name, "dimensions": item.dimensions, "languages": list(item.languages)}
        for name, item in sorted(stores.embedders.named.items())
    ]
    return {"default": stores.embedders.default.name, "embedders": named}
