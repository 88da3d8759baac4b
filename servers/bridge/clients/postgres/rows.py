"""Rows of PostgreSQL as JSON: converted, within bounds of rows and bytes; the tables that may be read.

It sends nothing: rows come in batches from the connection's owner.
"""

import json
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from psycopg.abc import AdaptContext
from psycopg.adapt import Loader
from psycopg.types.json import set_json_loads
from pydantic import BaseModel, SkipValidation

MAX_BYTES, BATCH_ROWS = 4 * 2**20, 200
MAX_DEPTH = 50
TIME_TYPES = ("date", "time", "timetz", "timestamp", "timestamptz", "interval")

TABLES = """
    SELECT c.relname, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' ELSE 'table' END,
           a.attname, format_type(a.atttypid, a.atttypmod)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND has_table_privilege(current_user, c.oid, 'SELECT')
    ORDER BY c.relname, a.attnum
"""


class Column(BaseModel):
    """A column's name and its type as PostgreSQL displays it (`numeric(10,2)`)."""

    name: str
    type: str


class TableView(BaseModel):
    """A table or view that the read-only role may read; `kind` is `table` or `view`."""

    name: str
    kind: str
    columns: list[Column]


class QueryResult(BaseModel):
    """The answer of one statement: JSON values by row; `truncated` when there were more rows or bytes."""

    columns: list[Column]
    rows: SkipValidation[list[list[Any]]]
    row_count: int
    truncated: bool


@dataclass(frozen=True)
class RowBatch:
    """Some rows of an answer, as psycopg loads them."""

    columns: list[Column]
    rows: list[tuple[Any, ...]]


FetchMore = Callable[[int], Awaitable[RowBatch]]


class TimeAsText(Loader):
    """A time as PostgreSQL prints it: Python has no infinity, no year 20000 and none before 1."""

    def load(self, data: Any) -> str:
        """ISO 8601 where the text is one; else the text."""
        shown = bytes(data).decode()
        if ":" not in shown or shown[0] not in "0123456789" or shown[4:5] != "-":
            return shown
        shown = shown.replace(" ", "T", 1)
        return f"{shown}:00" if shown[-3] in "+-" else shown


def load_as_text(connection: AdaptContext) -> None:
    """Let a new connection load what Python can not hold (times, broken JSON) as text."""
    for name in TIME_TYPES:
        connection.adapters.register_loader(name, TimeAsText)
    set_json_loads(_json_or_text, context=connection)


def batch_size(max_rows: int, collected: int = 0) -> int:
    """How many rows to fetch next: one beyond `max_rows` tells that there are more."""
    return min(BATCH_ROWS, max_rows + 1 - collected)


async def collect(batch: RowBatch, max_rows: int, fetch_more: FetchMore | None = None) -> QueryResult:
    """The rows of `batch`, and of those that `fetch_more(count)` brings after it, within `max_rows` and
    `MAX_BYTES` of text."""
    rows: list[list[Any]] = []
    size, truncated, more, columns = 0, False, True, batch.columns
    while more and not truncated:
        wanted = batch_size(max_rows, len(rows))
        if rows and fetch_more is not None:
            batch = await fetch_more(wanted)
        more = fetch_more is not None and len(batch.rows) == wanted
        for row in batch.rows:
            plain = [_plain(value) for value in row]
            size += sum(len(str(value)) for value in plain)
            truncated = len(rows) >= max_rows or size > MAX_BYTES
            if truncated:
                break
            rows.append(plain)
    return QueryResult(columns=columns, rows=rows, row_count=len(rows), truncated=truncated)


def _plain(value: Any, depth: int = 0) -> Any:  # noqa: PLR0911  (one line a kind)
    """What JSON can carry; the rest as PostgreSQL prints it."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            number = float(value)
            return number if math.isfinite(number) else str(value)
        case bytes() | bytearray() | memoryview():
            return "\\x" + bytes(value).hex()
        case list() | tuple() | dict() if depth >= MAX_DEPTH:
            return _json_text(value)
        case list() | tuple():
            return [_plain(item, depth + 1) for item in value]
        case dict():
            return {str(key): _plain(item, depth + 1) for key, item in value.items()}
        case _ if hasattr(value, "isoformat"):
            return value.isoformat()
        case _:
            return str(value)


def _json_text(value: Any) -> str:
    """Text in place of what is nested deeper than the programs that read our answers bear."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        return "…"


def _json_or_text(data: Any) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return bytes(data).decode()


def tables_of(rows: Sequence[tuple[str, str, str, str]]) -> list[TableView]:
    """Rows of `TABLES`, one a column, as tables with their columns."""
    tables: dict[str, TableView] = {}
    for name, kind, column, column_type in rows:
        table = tables.setdefault(name, TableView(name=name, kind=kind, columns=[]))
        table.columns.append(Column(name=column, type=column_type))
    return list(tables.values())
