"""The SQL tool: read-only questions to the tables."""

from tools.clients.bridge import Bridge, QueryResult


async def query_sql(query: str, *, bridge: Bridge) -> QueryResult:
    """Run one read-only SQL query (PostgreSQL) on the platform's tables; rows and columns."""
    return await bridge.query_sql(query)
