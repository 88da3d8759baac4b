"""The log of decisions: what the pool did to which model and why. The last ones are kept for `/stats`."""

import time
from collections import deque
from typing import Any

from tools.log import get_logger

KEPT = 200

log = get_logger("pool.decision")


class Events:
    def __init__(self) -> None:
        self.kept: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def note(self, event: str, name: str, **fields: Any) -> None:
        self.kept.append({"at": round(time.time(), 3), "event": event, "model": name, **fields})
        log.info(event, model=name, **fields)
