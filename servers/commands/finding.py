"""One row of what `capibara6 doctor` finds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`ok` is True (there), None (optional and missing) or False (broken); `how` to get it."""

    part: str
    ok: bool | None
    found: str
    how: str = ""
