"""The circuit breaker of a store: after a failure its calls are refused at once, until it may be tried again.

It counts nothing and knows no store: `store_client` asks whether it is open and tells it of failures.
"""

import time

RETRY_S = 1.0
"""Seconds for which calls are refused after a failure."""


class CircuitBreaker:
    """Open for `RETRY_S` after each `trip`. Then every call goes through again, and the next failure opens it
    anew; there is no half-open state."""

    def __init__(self) -> None:
        self.open_until = 0.0

    @property
    def open(self) -> bool:
        """True while calls are to be refused."""
        return time.monotonic() < self.open_until

    def trip(self) -> None:
        """Note a failure: open from now on, for `RETRY_S`."""
        self.open_until = time.monotonic() + RETRY_S
