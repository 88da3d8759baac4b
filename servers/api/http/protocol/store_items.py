"""The Agent Protocol's store items over HTTP: JSON objects under a namespace and a key, shared by
their owner's threads."""

from datetime import datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError

from agents.conversation.ownership import item_namespace
from servers.api.http.dependencies import (
    CallerDep,
    Limit,
    Offset,
    RequestModel,
    ServicesDep,
    StorableObject,
    storable_json,
)
from servers.api.runs.tables import as_utc
from tools.access.identity import LOCAL, Principal
from tools.errors import BadRequest, Forbidden, NotFound
from tools.schema import JsonObject

router = APIRouter(prefix="/store", tags=["store"])
Label = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^.\x00-\x1f]+$")]
Namespace = Annotated[list[Label], Field(min_length=1, max_length=8)]
Property = Annotated[str, Field(max_length=256, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")]
"""What the store can look for inside a value, dots for depth."""
OWN = len(item_namespace(LOCAL))
"""How many labels of a kept namespace say whose it is."""
LABELS: TypeAdapter[list[str]] = TypeAdapter(Namespace)
Key = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f]+$")]


class Item(RequestModel):
    """A value to keep."""

    namespace: Namespace
    key: Key
    value: StorableObject


class ItemKey(RequestModel):
    """Which item."""

    namespace: Namespace
    key: Key


class ItemSearch(RequestModel):
    """Items below a namespace whose values hold what `filter` says."""

    namespace_prefix: Annotated[list[Label], Field(max_length=8)] = Field(default=[])
    filter: Annotated[
        dict[Property, str | int | float | bool | None] | None, AfterValidator(storable_json)
    ] = None
    limit: Limit = 10
    offset: Offset = 0


class NamespaceSearch(RequestModel):
    """Namespaces that begin with `prefix`, cut after `max_depth` labels."""

    prefix: Annotated[list[Label], Field(max_length=8)] = Field(default=[])
    max_depth: int | None = Field(default=None, ge=1, le=8)
    limit: Limit = 100
    offset: Offset = 0


class StoredItem(Protocol):
    """An item as the agents' store gives it (LangGraph's `Item`)."""

    namespace: tuple[str, ...]
    key: str
    value: JsonObject
    created_at: datetime
    updated_at: datetime


class ItemView(BaseModel):
    """A kept item; times are ISO 8601."""

    namespace: list[str]
    key: str
    value: JsonObject
    created_at: str
    updated_at: str


class ItemPage(BaseModel):
    """What a search found."""

    items: list[ItemView]


class NamespacePage(BaseModel):
    """Namespaces, each a list of labels."""

    namespaces: list[list[str]]


@router.put("/items", status_code=204)
async def put(item: Item, services: ServicesDep, caller: CallerDep) -> Response:
    """Keep a value, in place of the one before."""
    await services.memory.store.aput(_own(caller, item.namespace), item.key, item.value, index=False)
    return Response(status_code=204)


@router.get("/items")
async def get(
    services: ServicesDep,
    caller: CallerDep,
    key: Annotated[Key, Query()],
    namespace: Annotated[list[str], Query()],
) -> ItemView:
    """One item; `namespace` is repeated, or one text with dots."""
    try:
        labels = LABELS.validate_python(namespace[0].split(".") if len(namespace) == 1 else namespace)
    except ValidationError as exc:
        why = exc.errors()[0]["msg"]
        raise BadRequest(why, param="namespace", source="api", code="invalid_value") from exc
    found = await services.memory.store.aget(_own(caller, labels), key)
    if found is None:
        raise NotFound(f"there is no item {key!r}", param="key", source="api")
    return _view(found)


@router.delete("/items", status_code=204)
async def delete(body: ItemKey, services: ServicesDep, caller: CallerDep) -> Response:
    """Delete an item, if there is one."""
    await services.memory.store.adelete(_own(caller, body.namespace), body.key)
    return Response(status_code=204)


@router.post("/items/search")
async def search(services: ServicesDep, caller: CallerDep, body: ItemSearch | None = None) -> ItemPage:
    """Items below a namespace."""
    body = body or ItemSearch()
    found = await services.memory.store.asearch(
        _own(caller, body.namespace_prefix), filter=body.filter, limit=body.limit, offset=body.offset
    )
    return ItemPage(items=[_view(item) for item in found])


@router.post("/namespaces")
async def namespaces(
    services: ServicesDep, caller: CallerDep, body: NamespaceSearch | None = None
) -> NamespacePage:
    """The namespaces that hold items."""
    body = body or NamespaceSearch()
    found = await services.memory.store.alist_namespaces(
        prefix=_own(caller, body.prefix),
        max_depth=body.max_depth and body.max_depth + OWN,
        limit=body.limit,
        offset=body.offset,
    )
    return NamespacePage(namespaces=[list(labels[OWN:]) for labels in found if labels[OWN:]])


def _own(caller: Principal, labels: list[str]) -> tuple[str, ...]:
    """Where the store keeps the caller's namespace. Raises `Forbidden` when it is reserved for the agents
    (begins with an underscore)."""
    if labels and labels[0].startswith("_"):
        raise Forbidden("this namespace is kept by the agents", param="namespace", source="api")
    return item_namespace(caller, *labels)


def _view(item: StoredItem) -> ItemView:
    return ItemView(
        namespace=list(item.namespace[OWN:]),
        key=item.key,
        value=item.value,
        created_at=as_utc(item.created_at).isoformat(),
        updated_at=as_utc(item.updated_at).isoformat(),
    )
