"""Documents and collections as MCP resources: listed with pages, and read, a long one by pages too."""

import json
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from servers.mcp.clients import Clients, explain
from servers.mcp.toolbox import cursor_at, page
from tools.clients.bridge import Bridge
from tools.clients.collections import Collection
from tools.errors import BadRequest, Capibara6Error, NotFound
from tools.schema import JsonObject

Ctx = ServerRequestContext[Clients, Any]
JSON, MARKDOWN = "application/json", "text/markdown"
ROOT: Final = "capibara6://collections"
DOCUMENTS: Final = f"{ROOT}/{{collection}}/documents{{?cursor}}"
DOCUMENT: Final = f"{ROOT}/{{collection}}/documents/{{document_id}}{{?cursor}}"
LISTED = 100
TEXT_CHARS = 50_000
NEXT_KEY = "capibara6/next"
"""In a text's `_meta`: the address of its next page."""


class Address(NamedTuple):
    """A resource's address, read: without a collection it is the list of them."""

    collection: str | None
    document_id: str | None
    cursor: str | None


async def list_resources(ctx: Ctx, params: PaginatedRequestParams | None) -> ListResourcesResult:
    """The collections, then the documents of each, a page at a time. Raises MCPError."""
    bridge = ctx.lifespan_context.bridge
    try:
        at, offset = _place(params.cursor if params else None)
        held = sorted(await bridge.collections(), key=lambda one: one["name"])
        listed = [_root(), *map(_collection, held)] if (at, offset) == (0, 0) else []
        if at >= len(held):
            return ListResourcesResult(resources=listed)
        name = held[at]["name"]
        found = await _documents(bridge, name, offset)
    except Capibara6Error as exc:
        raise _refused(exc) from exc
    listed += [_document(name, one) for one in found["documents"]]
    end = offset + LISTED
    after = (at, end) if end < found["total"] else (at + 1, 0)
    more = after[0] < len(held)
    return ListResourcesResult(resources=listed, next_cursor=f"{after[0]}.{after[1]}" if more else None)


async def list_templates(_: Ctx, __: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
    """The two kinds of addresses."""
    documents = ResourceTemplate(
        name="documents",
        uri_template=DOCUMENTS,
        title="Documents of a collection / Documentos de una colección",
        mime_type=JSON,
    )
    document = ResourceTemplate(
        name="document",
        uri_template=DOCUMENT,
        title="A document's text / El texto de un documento",
        mime_type=MARKDOWN,
    )
    return ListResourceTemplatesResult(resource_templates=[documents, document])


async def read_resource(ctx: Ctx, params: ReadResourceRequestParams) -> ReadResourceResult:
    """One resource. Raises MCPError."""
    bridge, uri = ctx.lifespan_context.bridge, str(params.uri)
    try:
        address = read_address(uri)
        if address.collection is None:
            return _json(uri, {"collections": await bridge.collections()})
        if address.document_id is None:
            return _json(uri, await _document_page(bridge, address.collection, address.cursor))
        return await _text(bridge, uri, address)
    except Capibara6Error as exc:
        raise _refused(exc, uri) from exc


def read_address(uri: str) -> Address:
    """What an address names. Pure. Raises NotFound."""
    parts = urlsplit(uri)
    names = parts.path.removeprefix("/").split("/", 2) if parts.path else []
    known = f"{parts.scheme}://{parts.netloc}" == ROOT and len(names) != 1
    if not known or (names and (not names[0] or names[1] != "documents")):
        raise NotFound(f"there is no resource {uri}", param="uri", source="mcp")
    cursor = parse_qs(parts.query).get("cursor", [None])[0]
    document_id = unquote(names[2]) if len(names) == 3 else None
    return Address(unquote(names[0]) if names else None, document_id, cursor)


def documents_uri(collection: str) -> str:
    """The address of a collection's documents. Pure."""
    return f"{ROOT}/{collection}/documents"


def document_uri(collection: str, document_id: str) -> str:
    """The address of a document. Pure."""
    return f"{documents_uri(collection)}/{quote(document_id, safe='')}"


async def _documents(bridge: Bridge, collection: str, offset: int) -> JsonObject:
    chosen = {"collection": collection, "limit": LISTED, "offset": offset}
    return await bridge.http.json("GET", "/api/v1/documents", params=chosen)


async def _document_page(bridge: Bridge, collection: str, cursor: str | None) -> JsonObject:
    offset = page(cursor)
    found = await _documents(bridge, collection, offset)
    kept = ("id", "title", "source", "language", "updated_at")
    rows = [
        {key: one[key] for key in kept if one.get(key)} | {"uri": document_uri(collection, one["id"])}
        for one in found["documents"]
    ]
    end = offset + LISTED
    after = cursor_at(end, more=end < found["total"])
    following = {"next": f"{documents_uri(collection)}?cursor={after}"} if after else {}
    return {"documents": rows, "total": found["total"], **following}


async def _text(bridge: Bridge, uri: str, address: Address) -> ReadResourceResult:
    assert address.collection is not None and address.document_id is not None
    start = page(address.cursor)
    found = await bridge.document(address.document_id, collection=address.collection)
    text = found.get("text") or "\n\n".join(passage["text"] for passage in found["passages"])
    end = start + TEXT_CHARS
    after = cursor_at(end, more=end < len(text))
    own = document_uri(address.collection, address.document_id)
    meta: JsonObject = {"title": found["title"], "source": found["source"]}
    meta |= {NEXT_KEY: f"{own}?cursor={after}"} if after else {}
    content = TextResourceContents(uri=uri, mime_type=MARKDOWN, text=text[start:end], _meta=meta)
    return ReadResourceResult(contents=[content])


def _json(uri: str, body: JsonObject) -> ReadResourceResult:
    text = json.dumps(body, ensure_ascii=False)
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=JSON, text=text)])


def _root() -> Resource:
    return Resource(uri=ROOT, name="collections", title="Collections / Colecciones", mime_type=JSON)


def _collection(held: Collection) -> Resource:
    return Resource(
        uri=documents_uri(held["name"]),
        name=held["name"],
        description=f"{held['documents']} documents / documentos",
        mime_type=JSON,
    )


def _document(collection: str, row: JsonObject) -> Resource:
    return Resource(
        uri=document_uri(collection, row["id"]),
        name=row["id"],
        title=row.get("title") or None,
        description=row.get("source") or None,
        mime_type=MARKDOWN,
    )


def _place(cursor: str | None) -> tuple[int, int]:
    """Which collection, in order of name, and from which of its documents on. Pure. Raises BadRequest."""
    at, mark, offset = (cursor or "0.0").partition(".")
    if not (mark and at.isascii() and at.isdigit() and offset.isascii() and offset.isdigit()):
        raise BadRequest("this is no cursor of ours", param="cursor", source="mcp")
    return int(at[:9]), int(offset[:9])


def _refused(exc: Capibara6Error, uri: str = "") -> MCPError:
    code = INVALID_PARAMS if exc.status < 500 else INTERNAL_ERROR
    return MCPError(code, explain(exc), data={"uri": uri} if uri else None)
