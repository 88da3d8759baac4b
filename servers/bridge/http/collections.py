"""HTTP routes for collections: created with an embedder and languages, listed, embedded again, reconciled."""

from fastapi import APIRouter, Response

from servers.bridge.http.dependencies import ReadTenant, ServicesDep, WriteTenant
from servers.bridge.http.requests import CollectionRequest, ReembedRequest
from servers.bridge.http.responses import (
    CollectionList,
    CollectionView,
    EmbedderList,
    EmbedderView,
    ReconcileReport,
)
from tools.schema import CollectionName, IngestReport

router = APIRouter(prefix="/api/v1")


@router.get("/collections", tags=["collections"])
async def collections(services: ServicesDep, tenant: ReadTenant) -> CollectionList:
    """The tenant's collections, by name, with how much they hold."""
    rows = await services.collections.list(tenant)
    return CollectionList(collections=[CollectionView(**row) for row in rows])


@router.post("/collections", tags=["collections"], status_code=201)
async def create(
    body: CollectionRequest, services: ServicesDep, tenant: WriteTenant, response: Response
) -> CollectionView:
    """Make a collection: 201 when it is new, 200 when it is there already."""
    row, made = await services.collections.create(tenant, body.name, body.embedder, body.languages)
    response.status_code = 201 if made else 200
    return CollectionView(**row)


@router.post("/collections/{name}/reembed", tags=["collections"], status_code=202)
async def reembed(
    name: CollectionName, services: ServicesDep, tenant: WriteTenant, body: ReembedRequest | None = None
) -> IngestReport:
    """A job: progress and cancel as for ingestion."""
    return IngestReport(
        job_id=await services.collections.reembed(tenant, name, body.embedder if body else None)
    )


@router.post("/collections/{name}/reconcile", tags=["collections"])
async def reconcile(name: CollectionName, services: ServicesDep, tenant: WriteTenant) -> ReconcileReport:
    """Passages that Milvus lost; they are written again within seconds."""
    return ReconcileReport(lost=await services.ingest.reconciler.mark_lost(tenant, name))


@router.get("/embedders", tags=["collections"])
async def embedders(services: ServicesDep, _: ReadTenant) -> EmbedderList:
    """Those that collections may have, by every name that they answer to."""
    named = [
        EmbedderView(name=name, model=item.name, dimensions=item.dimensions, languages=list(item.languages))
        for name, item in sorted(services.embedders.named.items())
    ]
    return EmbedderList(default=services.embedders.default.name, embedders=named)
