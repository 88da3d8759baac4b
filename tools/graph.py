"""The graph tool: read-only questions to the knowledge graph."""

from tools.clients.bridge import Bridge, QueryResult


async def query_graph(query: str, *, bridge: Bridge, space: str = "capibara6") -> QueryResult:
    """Run one read-only nGQL query (MATCH, GO, FETCH, LOOKUP) on the knowledge graph; rows and columns."""
    return await bridge.query_graph(space, query)
