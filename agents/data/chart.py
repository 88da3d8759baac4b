"""A chart specification (Vega-Lite) for the rows of a query, where they have a label and a number. Pure."""

from typing import Any

from tools.schema import JsonObject

MOST_BARS = 20


def chart_of(result: JsonObject) -> JsonObject | None:
    """Bars of the last number by the first label; None for what is no series."""
    names = [one["name"] if isinstance(one, dict) else str(one) for one in result.get("columns", [])]
    rows = [list(row.values()) if isinstance(row, dict) else list(row) for row in result.get("rows", [])]
    if not 2 <= len(rows) <= MOST_BARS or len(names) < 2:
        return None
    number = next(
        (at for at in reversed(range(len(names))) if all(_is_number(row[at]) for row in rows)), None
    )
    label = next((at for at in range(len(names)) if all(isinstance(row[at], str) for row in rows)), None)
    if number is None or label is None:
        return None
    values = [{names[label]: row[label], names[number]: row[number]} for row in rows]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": values},
        "mark": "bar",
        "encoding": {
            "y": {"field": names[label], "type": "nominal", "sort": "-x"},
            "x": {"field": names[number], "type": "quantitative"},
        },
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
