"""The SQL tool: read-only questions to the tables."""

from typing import Any

from tools.clients.bridge import Bridge


async def query_sql(query: str, *, bridge: Bridge) -> dict[str, Any]:
    """Run one read-only SQL query (PostgreSQL) on the platform's tables; rows and columns."""
    return await bridge.query_sql(query)
