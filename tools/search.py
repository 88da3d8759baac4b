"""The search tool: passages of the knowledge that match a question."""

from tools.clients.bridge import Bridge
from tools.schema import SearchRequest, SearchResponse


async def search_knowledge(
    query: str, *, bridge: Bridge, collection: str = "capibara6", top_k: int = 6
) -> SearchResponse:
    """Search the documents for passages about `query`, in Spanish or English; the best come first."""
    return await bridge.search(SearchRequest(query=query, collection=collection, top_k=top_k))
