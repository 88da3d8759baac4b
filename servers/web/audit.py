"""The audit log of a door: one line for each request, with its id, who asked, what, and how it ended.

Neither bodies nor secrets are in it: a path is its route. So it goes past the cleaning that other logs need,
which would cost each request more than authentication does.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

from tools.access.identity import Principal


class Audit:
    """Writes JSON lines to the error stream, as every log here; nothing where `level` is above INFO."""

    def __init__(self, service: str, level: str) -> None:
        self.service = service
        self.on = logging.getLevelNamesMapping()[level] <= logging.INFO

    def write(
        self,
        *,
        request_id: str,
        principal: Principal | None,
        method: str,
        route: str,
        status: int,
        seconds: float,
        **more: Any,
    ) -> None:
        """The line of a request that is over, or about to be; `more` are fields of one service."""
        if not self.on:
            return
        line = {
            "event": "request",
            "request_id": request_id,
            "tenant": principal and principal.tenant,
            "user": principal and principal.user,
            "key": principal and principal.key_id,
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1_000, 2),
            **more,
            "level": "info",
            "logger": "audit",
            "service": self.service,
            "timestamp": datetime.now(UTC),
        }
        sys.stderr.buffer.write(orjson.dumps(line) + b"\n")
        sys.stderr.buffer.flush()
