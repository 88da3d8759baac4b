"""Sessions: who is logged in, in which space, since when. Idle ones end; their number is bounded."""

import secrets
import threading
import time
from dataclasses import dataclass, field
from itertools import count

from servers.graph.engine.frame import Run
from servers.graph.errors import QueryError
from servers.graph.server.users import User


class SessionInvalid(QueryError):
    code = -1002


class TooManySessions(QueryError):
    code = -1010


@dataclass(slots=True)
class Query:
    """A statement under way, as SHOW QUERIES lists it."""

    number: int
    text: str
    started: float
    run: Run


@dataclass(slots=True)
class Session:
    """`used` is monotonic seconds; `created` and `updated` are wall-clock microseconds."""

    id: int
    user: User
    address: str
    created: int
    space: str | None = None
    used: float = 0.0
    updated: int = 0
    queries: dict[int, Query] = field(default_factory=dict)


class Sessions:
    """The live sessions. Safe for many threads."""

    def __init__(self, *, most: int, idle_s: float) -> None:
        self._most, self._idle_s = most, idle_s
        self._lock = threading.Lock()
        self._live: dict[int, Session] = {}
        self.numbers = count(1)

    def open(self, user: User, address: str) -> Session:
        """Raises `TooManySessions`."""
        now = time.time_ns() // 1000
        session = Session(secrets.randbits(62) | 1, user, address, now, None, time.monotonic(), now)
        with self._lock:
            self._expire()
            if len(self._live) >= self._most:
                raise TooManySessions("Too many sessions")
            self._live[session.id] = session
        return session

    def get(self, number: int) -> Session:
        """The session, used now. Raises `SessionInvalid` for an unknown or ended one."""
        session = self._live.get(number)
        now = time.monotonic()
        if session is None or (now - session.used > self._idle_s and not session.queries):
            with self._lock:
                self._live.pop(number, None)
            raise SessionInvalid("Session not existed!" if session is None else "Session was expired")
        session.used = now
        return session

    def close(self, number: int) -> None:
        with self._lock:
            self._live.pop(number, None)

    def all(self) -> list[Session]:
        with self._lock:
            self._expire()
            return list(self._live.values())

    def _expire(self) -> None:
        now = time.monotonic()
        for session in list(self._live.values()):
            if now - session.used > self._idle_s and not session.queries:
                del self._live[session.id]
