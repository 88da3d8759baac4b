"""Toolset `data`: read-only questions to the tables and to the graph, a page of rows at a time.

What may be asked decides the bridge; a page is asked for again with each cursor, so rows that came meanwhile
may move it.
"""

from typing import Any

from pydantic import BaseModel, Field

from servers.mcp.toolbox import Arguments, Call, Cursor, Tool, cursor_at, page
from tools.clients.bridge import QueryResult
from tools.schema import JsonObject

ROWS = 100


class Rows(BaseModel):
    """A page of rows, each with one value a column; `truncated`: the query has more than may be read."""

    columns: list[Any]
    rows: list[Any]
    next: str | None = None
    truncated: bool = False


class Sql(Arguments):
    query: str = Field(min_length=1, max_length=100_000, description="One SELECT or EXPLAIN (PostgreSQL)")
    params: list[Any] = Field(default=[], max_length=100, description="For $1, $2")
    cursor: Cursor = None


class Ngql(Arguments):
    query: str = Field(min_length=1, max_length=100_000, description="One MATCH, GO, FETCH or LOOKUP (nGQL)")
    space: str = Field(default="capibara6", max_length=64)
    params: JsonObject = Field(default={})
    cursor: Cursor = None


async def query_sql(given: Sql, call: Call) -> Rows:
    """Read the tables with SQL. Consulta las tablas."""
    start = page(given.cursor)
    return _page(await call.clients.bridge.query_sql(given.query, given.params), start)


async def query_graph(given: Ngql, call: Call) -> Rows:
    """Read the knowledge graph. Consulta el grafo."""
    start = page(given.cursor)
    return _page(await call.clients.bridge.query_graph(given.space, given.query, given.params), start)


def _page(found: QueryResult, start: int) -> Rows:
    end, rows = start + ROWS, found["rows"]
    return Rows(
        columns=found["columns"],
        rows=rows[start:end],
        next=cursor_at(end, more=end < len(rows)),
        truncated=found.get("truncated", False),
    )


TOOLS = (
    Tool(query_graph, Ngql, "Graph / Grafo", "data", answers=Rows),
    Tool(query_sql, Sql, "SQL", "data", answers=Rows),
)
