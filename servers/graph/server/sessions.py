"""Sessions: who is logged in, in which space, since when. Idle ones end; their number is bounded."""

import secrets
import threading
import time
from dataclasses import dataclass, field
from itertools import count

from servers.graph.engine.execution import Execution
from servers.graph.errors import QueryError
from servers.graph.server.users import User


class SessionInvalid(QueryError):
    """No session of that number, or it was idle too long (E_SESSION_INVALID)."""

    code = -1002


class TooManySessions(QueryError):
    """As many sessions as are allowed are open (E_TOO_MANY_CONNECTIONS)."""

    code = -1010


@dataclass(slots=True)
class RunningQuery:
    """A statement under way, as SHOW QUERIES lists it; `started` is seconds since 1970."""

    number: int
    text: str
    started: float
    run: Execution


@dataclass(slots=True)
class Session:
    """A session. `used` is monotonic seconds; `created` and `updated` are microseconds since 1970."""

    id: int
    user: User
    address: str
    created: int
    space: str | None = None
    used: float = 0.0
    updated: int = 0
    queries: dict[int, RunningQuery] = field(default_factory=dict)


class Sessions:
    """The open sessions. Safe for many threads. One unused for `idle_s` seconds ends."""

    def __init__(self, *, max_sessions: int, idle_s: float) -> None:
        self._max_sessions, self._idle_s = max_sessions, idle_s
        self._lock = threading.Lock()
        self._sessions: dict[int, Session] = {}
        self.numbers = count(1)

    def open(self, user: User, address: str) -> Session:
        """A new session of a random number. Raises `TooManySessions`."""
        now = time.time_ns() // 1000
        session = Session(secrets.randbits(62) | 1, user, address, now, None, time.monotonic(), now)
        with self._lock:
            self._expire()
            if len(self._sessions) >= self._max_sessions:
                raise TooManySessions("Too many sessions")
            self._sessions[session.id] = session
        return session

    def get(self, number: int) -> Session:
        """The session, used now. Raises `SessionInvalid` for an unknown or ended one."""
        session = self._sessions.get(number)
        now = time.monotonic()
        if session is None or (now - session.used > self._idle_s and not session.queries):
            with self._lock:
                self._sessions.pop(number, None)
            raise SessionInvalid("Session not existed!" if session is None else "Session was expired")
        session.used = now
        return session

    def close(self, number: int) -> None:
        """End a session; an unknown number is no error."""
        with self._lock:
            self._sessions.pop(number, None)

    def all(self) -> list[Session]:
        """The open sessions, idle ones ended first."""
        with self._lock:
            self._expire()
            return list(self._sessions.values())

    def _expire(self) -> None:
        now = time.monotonic()
        for session in list(self._sessions.values()):
            if now - session.used > self._idle_s and not session.queries:
                del self._sessions[session.id]
