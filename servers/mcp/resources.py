"""Documents as MCP resources: what the knowledge base holds, and one document by its id."""

import json
from typing import Any
from urllib.parse import quote

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from servers.mcp.clients import Clients, explain
from tools.errors import Capibara6Error, NotFound

JSON = "application/json"
COLLECTION = "capibara6://collections/{collection}"
Caller = Context[Clients, Any]


def add_resources(server: MCPServer[Clients]) -> None:
    """Register the list of a collection's documents and one document of it."""
    server.resource(
        f"{COLLECTION}/documents",
        name="documents",
        title="Documents / Documentos",
        description="The documents of a collection (by default `capibara6`): id, title, source, language.",
        mime_type=JSON,
    )(documents)
    server.resource(
        f"{COLLECTION}/documents/{{document_id}}",
        name="document",
        title="One document / Un documento",
        description="One document by its id; percent-encode slashes in the id.",
        mime_type=JSON,
    )(document)


async def documents(collection: str, ctx: Caller) -> str:
    """The documents of a collection as JSON. Raises `ResourceNotFoundError` and `ResourceError`."""
    return await _get(ctx, "/api/v1/documents", collection)


async def document(collection: str, document_id: str, ctx: Caller) -> str:
    """One document as JSON. Raises `ResourceNotFoundError` and `ResourceError`."""
    return await _get(ctx, f"/api/v1/documents/{quote(document_id, safe='')}", collection)


async def _get(ctx: Caller, path: str, collection: str) -> str:
    bridge = ctx.request_context.lifespan_context.bridge
    try:
        body = await bridge.http.json("GET", path, params={"collection": collection})
    except NotFound as exc:
        raise ResourceNotFoundError(explain(exc)) from exc
    except Capibara6Error as exc:
        raise ResourceError(explain(exc)) from exc
    return json.dumps(body, ensure_ascii=False)
