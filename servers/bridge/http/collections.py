"""HTTP routes for collections: created with an embedder and languages, listed, shared with others, embedded
again, reconciled."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, model_validator

from servers.bridge.access.users import USER_PATTERN
from servers.bridge.http.dependencies import OperateCaller, ReadCaller, WriteCaller
from servers.bridge.http.requests import CollectionRequest, ReembedRequest
from servers.bridge.http.responses import (
    CollectionList,
    CollectionView,
    EmbedderList,
    EmbedderView,
    ReconcileReport,
)
from servers.bridge.manifest.sharing import Access, Kind, Share, first_shares
from tools.access.identity import LOCAL, ROLES
from tools.schema import CollectionName, IngestReport, Wire

router = APIRouter(prefix="/api/v1")
PROGRAM_PATTERN = r"^key:[0-9a-f]{16}$"
Whom = Annotated[str, Field(pattern=f"{USER_PATTERN}|{PROGRAM_PATTERN}|^$", max_length=80)]


class ShareModel(Wire):
    """A `user` by name (`key:<id>` for a program's key), a `role` with those above it, or `everybody` of the
    tenant, without a name. Who may write may read."""

    kind: Kind
    name: Whom = ""
    access: Access = "read"

    @model_validator(mode="after")
    def _named(self) -> "ShareModel":
        if (self.kind == "everybody") != (self.name == ""):
            raise ValueError("a user and a role have a name, everybody has none")
        if self.kind == "role" and self.name not in ROLES:
            raise ValueError(f"a role is one of {', '.join(ROLES)}")
        return self


class ShareRequest(Wire):
    """These and no others."""

    shares: list[ShareModel] = Field(max_length=1_000)

    @model_validator(mode="after")
    def _once(self) -> "ShareRequest":
        if len({(share.kind, share.name) for share in self.shares}) < len(self.shares):
            raise ValueError("one is named twice")
        return self


class SharingView(BaseModel):
    """A collection's owner and its shares."""

    collection: str
    owner: str
    shares: list[ShareModel]


@router.get("/collections", tags=["collections"])
async def collections(caller: ReadCaller) -> CollectionList:
    """The collections that the caller may read, by name, with how much they hold."""
    services, visible = await caller.visible()
    rows = await services.collections.list(caller.tenant)
    return CollectionList(collections=[CollectionView(**row) for row in rows if row["name"] in visible])


@router.post("/collections", tags=["collections"], status_code=201)
async def create(body: CollectionRequest, caller: WriteCaller, response: Response) -> CollectionView:
    """Make a collection: 201 when it is new, 200 when it is there already."""
    services = await caller.making(body.name)
    row, made = await services.collections.create(
        caller.tenant,
        body.name,
        body.embedder,
        body.languages,
        owner=caller.owner or LOCAL.user,
        shares=first_shares(caller.principal),
    )
    if not made:
        await caller.reading(body.name)  # somebody else may have made it meanwhile
    response.status_code = 201 if made else 200
    return CollectionView(**row)


@router.post("/collections/{name}/reembed", tags=["collections"], status_code=202)
async def reembed(
    name: CollectionName, caller: OperateCaller, body: ReembedRequest | None = None
) -> IngestReport:
    """A job: progress and cancel as for ingestion."""
    services = await caller.writing(name)
    embedder = body.embedder if body else None
    owner = caller.owner or LOCAL.user
    return IngestReport(job_id=await services.collections.reembed(caller.tenant, name, embedder, owner=owner))


@router.post("/collections/{name}/reconcile", tags=["collections"])
async def reconcile(name: CollectionName, caller: OperateCaller) -> ReconcileReport:
    """Passages that Milvus lost; they are written again within seconds."""
    services = await caller.writing(name)
    return ReconcileReport(lost=await services.ingest.reconciler.mark_lost(caller.tenant, name))


@router.get("/embedders", tags=["collections"])
async def embedders(caller: ReadCaller) -> EmbedderList:
    """Those that collections may have, by every name that they answer to."""
    services = caller.own()
    named = [
        EmbedderView(name=name, model=item.name, dimensions=item.dimensions, languages=list(item.languages))
        for name, item in sorted(services.embedders.named.items())
    ]
    return EmbedderList(default=services.embedders.default.name, embedders=named)


@router.get("/collections/{name}/shares", tags=["collections"])
async def shares(name: CollectionName, caller: ReadCaller) -> SharingView:
    """Who may read and write the collection; for who may share it."""
    _, sharing = await caller.sharing(name)
    return _view(name, sharing.owner, sharing.shares)


@router.put("/collections/{name}/shares", tags=["collections"])
async def share(name: CollectionName, body: ShareRequest, caller: WriteCaller) -> SharingView:
    """Replace the shares: at once here, within seconds in other replicas."""
    services, sharing = await caller.sharing(name)
    wanted = [Share(item.kind, item.name, item.access) for item in body.shares]
    await services.repository.sharings.put(caller.tenant, name, wanted)
    services.sharing_cache.forget(caller.tenant, name)
    return _view(name, sharing.owner, wanted)


def _view(name: str, owner: str, found: Sequence[Share]) -> SharingView:
    views = [ShareModel.model_validate(item._asdict()) for item in sorted(found)]
    return SharingView(collection=name, owner=owner, shares=views)
