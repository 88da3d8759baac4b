"""Circuit breaker and retry budget: when to stop asking what fails, how many retries in all. Pure state."""

OPENS_AFTER = 3
"""So many failures in a row open the circuit."""
OPEN_S = (5.0, 60.0)
"""First and longest time that the circuit stays open."""


class CircuitBreaker:
    """One remote engine. After the open time one request may try; it closes the circuit or opens it again."""

    __slots__ = ("failures", "last_failure", "open_s", "open_until")

    def __init__(self) -> None:
        self.failures = 0
        self.open_until = 0.0
        self.open_s = OPEN_S[0]
        self.last_failure = ""

    def closed(self, now: float) -> bool:
        """May it be asked? When the open time is over this lets one request through."""
        if self.failures < OPENS_AFTER:
            return True
        if now < self.open_until:
            return False
        self.open_until = now + self.open_s
        return True

    def succeeded(self) -> None:
        """An answer came: close the circuit."""
        self.failures, self.open_s = 0, OPEN_S[0]

    def failed(self, now: float, why: str) -> None:
        """Count a failure; the third in a row opens the circuit, each one more doubles its time."""
        self.failures += 1
        self.last_failure = why
        if self.failures > OPENS_AFTER:
            self.open_s = min(OPEN_S[1], self.open_s * 2)
        self.open_until = now + self.open_s


class RetryBudget:
    """Retries may be at most a tenth of the requests, with a small credit to begin with."""

    __slots__ = ("credit",)

    SHARE, MOST = 0.1, 10.0

    def __init__(self) -> None:
        self.credit = self.MOST

    def earn(self) -> None:
        """A request came in."""
        if self.credit < self.MOST:
            self.credit += self.SHARE

    def spend(self) -> bool:
        """True when one more retry is affordable."""
        if self.credit < 1.0:
            return False
        self.credit -= 1.0
        return True
