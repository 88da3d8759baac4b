"""Values as text: in column names and messages, as `toString` gives them, and joined to strings."""

import math
from typing import Any

from servers.graph.values.types import NSet


def text_of_float(value: float) -> str:
    """The shortest digits that read back; whole numbers without a point, as in column names."""
    if math.isnan(value) or math.isinf(value):
        return {True: "NaN"}.get(math.isnan(value), "Infinity" if value > 0 else "-Infinity")
    if value == int(value) and abs(value) < 1e15:
        return str(int(value)) if value or math.copysign(1, value) > 0 else "-0"
    return repr(value)


def text_of_constant(value: Any) -> str:
    """A literal as Nebula prints it in column names and messages."""
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return text_of_float(value)
        case str():
            return f'"{value}"'
        case list():
            return f"[{','.join(map(text_of_constant, value))}]"
        case NSet():
            return "{" + ",".join(map(text_of_constant, value)) + "}"
        case dict():
            return "{" + ",".join(f"{key}:{text_of_constant(item)}" for key, item in value.items()) + "}"
    return str(value)


def concat_text(value: Any) -> str:
    """How a value joins a string."""
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is float:
        return text_of_number(value)
    return str(value)


def text_of_number(value: float) -> str:
    """A float as `toString` gives it: always with a point."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e16:
        return f"{value:.1f}"
    return repr(value)
