"""Completion of the arguments of prompts and of resource addresses, from what the caller may read."""

from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, CompleteRequestParams, CompleteResult, Completion, PromptReference

from servers.mcp import prompts, resources
from servers.mcp.clients import Clients, explain
from tools.errors import Capibara6Error

Ctx = ServerRequestContext[Clients, Any]
MOST = 100
"""As many values as the protocol allows."""


async def complete(ctx: Ctx, params: CompleteRequestParams) -> CompleteResult:
    """The values that begin like what was typed. Raises MCPError for an unknown prompt or address."""
    ref, name, typed = params.ref, params.argument.name, params.argument.value
    known = prompts.arguments_of(ref.name) if isinstance(ref, PromptReference) else _variables(ref.uri)
    if name not in known:
        raise MCPError(INVALID_PARAMS, f"there is no argument {name!r} there to complete")
    resolved = (params.context.arguments if params.context else None) or {}
    try:
        match name:
            case "language":
                values, total = [one for one in ("es", "en") if one.startswith(typed)], None
            case "collection":
                values, total = await _collections(ctx, typed), None
            case "document_id":
                values, total = await _documents(ctx, typed, resolved.get("collection"))
            case _:
                values, total = [], None
    except Capibara6Error as exc:
        raise MCPError(INVALID_PARAMS, explain(exc)) from exc
    total = len(values) if total is None else total
    return CompleteResult(
        completion=Completion(values=values[:MOST], total=total, has_more=total > len(values[:MOST]))
    )


async def _collections(ctx: Ctx, typed: str) -> list[str]:
    held = await ctx.lifespan_context.bridge.collections()
    return sorted(one["name"] for one in held if one["name"].startswith(typed))


async def _documents(ctx: Ctx, typed: str, collection: str | None) -> tuple[list[str], int]:
    clients = ctx.lifespan_context
    chosen = {"collection": collection or clients.settings.chat.collection, "limit": MOST}
    chosen |= {"prefix": typed} if typed else {}
    found = await clients.bridge.http.json("GET", "/api/v1/documents", params=chosen)
    return [one["id"] for one in found["documents"]], found["total"]


def _variables(template: str) -> frozenset[str]:
    """The variables of one of our addresses. Raises MCPError."""
    if template == resources.DOCUMENTS:
        return frozenset({"collection", "cursor"})
    if template == resources.DOCUMENT:
        return frozenset({"collection", "document_id", "cursor"})
    raise MCPError(INVALID_PARAMS, f"there is no resource template {template!r}")
