"""Types of request fields that PostgreSQL can hold: no NUL, no broken characters, no endless nesting."""

import math
from typing import Annotated, Any

from pydantic import AfterValidator

DEEPEST = 32


def plain(value: Any, depth: int = 0) -> Any:
    """`value`, when PostgreSQL can hold it. Raises ValueError."""
    if depth > DEEPEST:
        raise ValueError("is nested too deeply")
    match value:
        case str():
            if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
                raise ValueError("holds a NUL or broken characters")
        case float() if not math.isfinite(value):
            raise ValueError("holds a number that is not finite")
        case dict():
            for key, item in value.items():
                plain(key)
                plain(item, depth + 1)
        case list():
            for item in value:
                plain(item, depth + 1)
    return value


Text = Annotated[str, AfterValidator(plain)]
Extra = Annotated[dict[str, Any], AfterValidator(plain)]
