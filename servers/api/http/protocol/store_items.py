"""The Agent Protocol's store items over HTTP: JSON objects under a namespace and a key, shared by
their owner's threads."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, BaseModel, Field, JsonValue, TypeAdapter, ValidationError

from agents.conversation.ownership import item_namespace
from servers.api.http.dependencies import (
    CallerDep,
    Limit,
    Offset,
    ServicesDep,
    StorableObject,
    storable_json,
)
from servers.api.http.protocol.run_requests import StrictRequest
from servers.api.runs.tables import as_utc
from tools.access.identity import LOCAL, Principal
from tools.errors import BadRequest, Forbidden, NotFound, NotSupported, TooLarge
from tools.schema import JsonObject
from tools.text.language import detect
from tools.text.words import terms

router = APIRouter(prefix="/store", tags=["store"])
Label = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^.\x00-\x1f]+$")]
Namespace = Annotated[list[Label], Field(min_length=1, max_length=8)]
Property = Annotated[str, Field(max_length=256, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")]
"""What the store can look for inside a value, dots for depth."""
MOST_RANKED = 10_000
OWN = len(item_namespace(LOCAL))
"""How many labels of a kept namespace say whose it is."""
LABELS: TypeAdapter[list[str]] = TypeAdapter(Namespace)
Key = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f]+$")]


class Item(StrictRequest):
    """A value to keep, for `ttl` minutes if that is given. Every text of a value is found by a query."""

    namespace: Namespace
    key: Key
    value: StorableObject
    ttl: float | None = Field(default=None, gt=0, le=10_000_000)
    index: JsonValue = None


class ItemKey(StrictRequest):
    """Which item."""

    namespace: Namespace
    key: Key


class ItemSearch(StrictRequest):
    """Items below a namespace whose values hold what `filter` says; with a `query` those that hold words of
    it, the most first. `refresh_ttl` gives each its whole time again."""

    namespace_prefix: Annotated[list[Label], Field(max_length=8)] = Field(default=[])
    filter: Annotated[
        dict[Property, str | int | float | bool | None] | None, AfterValidator(storable_json)
    ] = None
    query: Annotated[str, Field(max_length=10_000)] | None = None
    refresh_ttl: bool | None = None
    limit: Limit = 10
    offset: Offset = 0


class NamespaceSearch(StrictRequest):
    """Namespaces that begin with `prefix` and end with `suffix`, cut after `max_depth` labels."""

    prefix: Annotated[list[Label], Field(max_length=8)] | None = None
    suffix: Annotated[list[Label], Field(max_length=8)] | None = None
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
    score: float | None = None


class ItemPage(BaseModel):
    """What a search found."""

    items: list[ItemView]


class NamespacePage(BaseModel):
    """Namespaces, each a list of labels."""

    namespaces: list[list[str]]


@router.put("/items", status_code=204)
async def put(item: Item, services: ServicesDep, caller: CallerDep) -> Response:
    """Keep a value, in place of the one before."""
    if item.index is not None:
        raise NotSupported("what of a value is indexed can not be chosen", param="index", source="api")
    own = _own(caller, item.namespace)
    await services.memory.store.aput(own, item.key, item.value, index=False, ttl=item.ttl)
    return Response(status_code=204)


@router.get("/items")
async def get(
    services: ServicesDep,
    caller: CallerDep,
    key: Annotated[Key, Query()],
    namespace: Annotated[list[str], Query()],
    refresh_ttl: bool = False,
) -> ItemView:
    """One item; `namespace` is repeated, or one text with dots."""
    try:
        labels = LABELS.validate_python(namespace[0].split(".") if len(namespace) == 1 else namespace)
    except ValidationError as exc:
        why = exc.errors()[0]["msg"]
        raise BadRequest(why, param="namespace", source="api", code="invalid_value") from exc
    await services.memory.sweep()
    found = await services.memory.store.aget(_own(caller, labels), key, refresh_ttl=refresh_ttl)
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
    await services.memory.sweep()
    page = (0, MOST_RANKED + 1) if body.query else (body.offset, body.limit)
    found = await services.memory.store.asearch(
        _own(caller, body.namespace_prefix),
        filter=body.filter,
        offset=page[0],
        limit=page[1],
        refresh_ttl=bool(body.refresh_ttl),
    )
    if not body.query:
        return ItemPage(items=[_view(item) for item in found])
    if len(found) > MOST_RANKED:
        why = f"a query looks through {MOST_RANKED} items: name a longer namespace_prefix or a filter"
        raise TooLarge(why, param="namespace_prefix", source="api", code="too_many_items")
    ranked = by_words(body.query, found)[body.offset : body.offset + body.limit]
    return ItemPage(items=[_view(item, score) for score, item in ranked])


@router.post("/namespaces")
async def namespaces(
    services: ServicesDep, caller: CallerDep, body: NamespaceSearch | None = None
) -> NamespacePage:
    """The namespaces that hold items."""
    body = body or NamespaceSearch()
    found = await services.memory.store.alist_namespaces(
        prefix=_own(caller, body.prefix or []),
        suffix=tuple(body.suffix) if body.suffix else None,
        max_depth=body.max_depth and body.max_depth + OWN,
        limit=body.limit,
        offset=body.offset,
    )
    return NamespacePage(namespaces=[list(labels[OWN:]) for labels in found if labels[OWN:]])


def by_words(query: str, items: Sequence[StoredItem]) -> list[tuple[float, StoredItem]]:
    """Items that hold words of a query, the most first, with the share that they hold."""
    language = detect(query)
    wanted = set(terms(query, language))
    if not wanted:
        return []
    scored = [(len(wanted & set(terms(_texts(item.value), language))) / len(wanted), item) for item in items]
    return sorted((one for one in scored if one[0]), key=lambda one: -one[0])


def _texts(value: JsonValue) -> str:
    """Every text within a value."""
    match value:
        case str():
            return value
        case list():
            return "\n".join(map(_texts, value))
        case dict():
            return "\n".join(map(_texts, value.values()))
        case _:
            return ""


def _own(caller: Principal, labels: list[str]) -> tuple[str, ...]:
    """Where the store keeps the caller's namespace. Raises `Forbidden` when it is reserved for the agents
    (begins with an underscore)."""
    if labels and labels[0].startswith("_"):
        raise Forbidden("this namespace is kept by the agents", param="namespace", source="api")
    return item_namespace(caller, *labels)


def _view(item: StoredItem, score: float | None = None) -> ItemView:
    return ItemView(
        namespace=list(item.namespace[OWN:]),
        key=item.key,
        value=item.value,
        created_at=as_utc(item.created_at).isoformat(),
        updated_at=as_utc(item.updated_at).isoformat(),
        score=score,
    )
