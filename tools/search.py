"""The search tool: passages of the knowledge that match a question."""

import asyncio
import random

from tools.clients.bridge import Bridge
from tools.errors import Unavailable
from tools.schema import SearchRequest, SearchResponse

RETRY_S = 0.25


async def search_knowledge(
    query: str, *, bridge: Bridge, collection: str = "capibara6", top_k: int = 6
) -> SearchResponse:
    """Search the documents for passages about `query`, in Spanish or English; the best come first."""
    request = SearchRequest(query=query, collection=collection, top_k=top_k)
    try:
        return await bridge.search(request)
    except Unavailable:
        # A store that was only busy answers the second time; searching twice changes nothing.
        await asyncio.sleep(RETRY_S * (1 + random.random()))
        return await bridge.search(request)
