"""Store items over HTTP: small JSON values under a namespace and a key, kept between threads."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, Field, JsonValue, TypeAdapter, ValidationError

from servers.api.http.dependencies import AtDesk
from servers.api.http.openai_requests import Lenient, plain_json
from servers.api.http.protocol.schemas import Offset, Page
from tools.errors import BadRequest, Forbidden, NotFound

router = APIRouter(prefix="/store", tags=["store"])
Label = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^.\x00-\x1f]+$")]
Namespace = Annotated[list[Label], Field(min_length=1, max_length=8)]
Property = Annotated[str, Field(max_length=256, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")]
"""What the store can look for inside a value, dots for depth."""
LABELS: TypeAdapter[list[str]] = TypeAdapter(Namespace)
Key = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f]+$")]


class Item(Lenient):
    namespace: Namespace
    key: Key
    value: Annotated[dict[str, JsonValue], AfterValidator(plain_json)]


class Place(Lenient):
    namespace: Namespace
    key: Key


class ItemSearch(Lenient):
    namespace_prefix: Annotated[list[Label], Field(max_length=8)] = Field(default=[])
    filter: Annotated[dict[Property, str | int | float | bool | None] | None, AfterValidator(plain_json)] = (
        None
    )
    limit: Page = 10
    offset: Offset = 0


class NamespaceSearch(Lenient):
    prefix: Annotated[list[Label], Field(max_length=8)] = Field(default=[])
    max_depth: int | None = Field(default=None, ge=1, le=8)
    limit: Page = 100
    offset: Offset = 0


@router.put("/items", status_code=204)
async def put(item: Item, desk: AtDesk) -> Response:
    await desk.memory.store.aput(_open(item.namespace), item.key, item.value, index=False)
    return Response(status_code=204)


@router.get("/items")
async def get(
    desk: AtDesk, key: Annotated[Key, Query()], namespace: Annotated[list[str], Query()]
) -> dict[str, Any]:
    """`namespace` is repeated, or one text with dots."""
    try:
        labels = LABELS.validate_python(namespace[0].split(".") if len(namespace) == 1 else namespace)
    except ValidationError as exc:
        said = exc.errors()[0]["msg"]
        raise BadRequest(said, param="namespace", source="api", code="invalid_value") from exc
    found = await desk.memory.store.aget(_open(labels), key)
    if found is None:
        raise NotFound(f"there is no item {key!r}", param="key", source="api")
    return _show(found)


@router.delete("/items", status_code=204)
async def delete(place: Place, desk: AtDesk) -> Response:
    await desk.memory.store.adelete(_open(place.namespace), place.key)
    return Response(status_code=204)


@router.post("/items/search")
async def search(desk: AtDesk, asked: ItemSearch | None = None) -> dict[str, Any]:
    asked = asked or ItemSearch()
    found = await desk.memory.store.asearch(
        _open(asked.namespace_prefix), filter=asked.filter, limit=asked.limit, offset=asked.offset
    )
    return {"items": [_show(item) for item in found if not _is_ours(item.namespace)]}


@router.post("/namespaces")
async def namespaces(desk: AtDesk, asked: NamespaceSearch | None = None) -> dict[str, Any]:
    asked = asked or NamespaceSearch()
    found = await desk.memory.store.alist_namespaces(
        prefix=_open(asked.prefix) or None,
        max_depth=asked.max_depth,
        limit=asked.limit,
        offset=asked.offset,
    )
    return {"namespaces": [list(one) for one in found if not _is_ours(one)]}


def _open(labels: list[str]) -> tuple[str, ...]:
    """Namespaces that begin with an underscore are the agents' own books."""
    if _is_ours(tuple(labels)):
        raise Forbidden("this namespace is kept by the agents", param="namespace", source="api")
    return tuple(labels)


def _is_ours(namespace: tuple[str, ...]) -> bool:
    return bool(namespace) and namespace[0].startswith("_")


def _show(item: Any) -> dict[str, Any]:
    return {
        "namespace": list(item.namespace),
        "key": item.key,
        "value": item.value,
        "created_at": item.created_at.isoformat(),
        "updated_at": item.updated_at.isoformat(),
    }
