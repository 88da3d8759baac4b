"""The log of decisions: what the pool did to which model and why. The last ones are kept for `/stats`."""

import time
from collections import deque

from tools.log import get_logger

KEPT = 200

log = get_logger("pool.decision")


class Decisions:
    """Kept in memory, newest last, and logged."""

    def __init__(self) -> None:
        self.kept: deque[dict[str, object]] = deque(maxlen=KEPT)

    def record(self, event: str, model: str, **fields: object) -> None:
        """Note one decision at this moment; `fields` say why."""
        self.kept.append({"at": round(time.time(), 3), "event": event, "model": model, **fields})
        log.info(event, model=model, **fields)
