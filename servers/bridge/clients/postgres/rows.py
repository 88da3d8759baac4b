"""Rows of PostgreSQL as JSON, within bounds of rows and bytes."""

import json
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from psycopg.adapt import Loader
from psycopg.types.json import set_json_loads

BYTES, FETCH = 4 * 2**20, 200
DEEPEST = 50
TIMES = ("date", "time", "timetz", "timestamp", "timestamptz", "interval")

TABLES = """
    SELECT c.relname, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' ELSE 'table' END,
           a.attname, format_type(a.atttypid, a.atttypmod)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND has_table_privilege(current_user, c.oid, 'SELECT')
    ORDER BY c.relname, a.attnum
"""


@dataclass(frozen=True)
class Portion:
    """Some rows of an answer, and `{name, type}` of its columns."""

    columns: list[dict[str, str]]
    rows: list[tuple[Any, ...]]


Further = Callable[[int], Awaitable[Portion]]


class Printed(Loader):
    """A time as PostgreSQL prints it: Python has no infinity, no year 20000 and none before 1."""

    def load(self, data: Any) -> str:
        shown = bytes(data).decode()
        if ":" not in shown or shown[0] not in "0123456789" or shown[4:5] != "-":
            return shown
        shown = shown.replace(" ", "T", 1)
        return f"{shown}:00" if shown[-3] in "+-" else shown


def as_printed(connection: Any) -> None:
    """Prepare a new connection of psycopg to give what Python can not hold as text."""
    for name in TIMES:
        connection.adapters.register_loader(name, Printed)
    set_json_loads(_json, context=connection)


def portion(most: int, held: int = 0) -> int:
    """How many rows to ask for next: one beyond `most` tells that there are more."""
    return min(FETCH, most + 1 - held)


async def collect(found: Portion, most: int, further: Further | None = None) -> dict[str, Any]:
    """The rows of `found`, and of the portions that `further` brings after it, within bounds."""
    rows: list[list[Any]] = []
    size, truncated, more, columns = 0, False, True, found.columns
    while more and not truncated:
        asked = portion(most, len(rows))
        if rows and further is not None:
            found = await further(asked)
        more = further is not None and len(found.rows) == asked
        for row in found.rows:
            plain = [_plain(value) for value in row]
            size += sum(len(str(value)) for value in plain)
            truncated = len(rows) >= most or size > BYTES
            if truncated:
                break
            rows.append(plain)
    return {"columns": columns, "rows": rows, "row_count": len(rows), "truncated": truncated}


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
        case list() | tuple() | dict() if depth >= DEEPEST:
            return _folded(value)
        case list() | tuple():
            return [_plain(item, depth + 1) for item in value]
        case dict():
            return {str(key): _plain(item, depth + 1) for key, item in value.items()}
        case _ if hasattr(value, "isoformat"):
            return value.isoformat()
        case _:
            return str(value)


def _folded(value: Any) -> str:
    """Text in place of what is nested deeper than the programs that read our answers bear."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        return "…"


def _json(data: Any) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return bytes(data).decode()


def grouped(rows: Sequence[Any]) -> list[dict[str, Any]]:
    tables: dict[str, dict[str, Any]] = {}
    for name, kind, column, kind_of_column in rows:
        entry = tables.setdefault(name, {"name": name, "kind": kind, "columns": []})
        entry["columns"].append({"name": column, "type": kind_of_column})
    return list(tables.values())
