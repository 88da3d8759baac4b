"""What SHOW says about the server itself, and what statements change of their session."""

import time
from typing import Any

from servers.graph.engine.frame import Rows
from servers.graph.errors import ExecutionError
from servers.graph.server.sessions import Session, Sessions
from servers.graph.server.users import GOD, Users
from servers.graph.values.temporal import datetime_of_micros

VERSION = "3.8.0"


class Jobs:
    """Jobs that are over as soon as they are asked for: nothing here runs behind a statement's back."""

    def __init__(self) -> None:
        self._jobs: list[tuple[int, str, str, int]] = []

    def add(self, command: str, space: str) -> int:
        number = len(self._jobs) + 1
        self._jobs.append((number, command, space, time.time_ns() // 1000))
        del self._jobs[:-10_000]
        return number

    def of(self, space: str) -> list[tuple[int, str, str, int]]:
        return [job for job in reversed(self._jobs) if job[2] == space]


class Administration:
    """The server as one session's statements see it."""

    def __init__(
        self, session: Session, sessions: Sessions, users: Users, jobs: Jobs, address: tuple[str, int]
    ) -> None:
        self._session, self._sessions, self._users, self._jobs = session, sessions, users, jobs
        self._address = address

    def use(self, space: str) -> None:
        self._session.space = space

    def space_dropped(self, space: str) -> None:
        for session in self._sessions.all():
            if session.space == space:
                session.space = None

    def finished_job(self, command: str, space: str) -> int:
        return self._jobs.add(command, space)

    def jobs(self, space: str) -> Rows:
        made: Rows = []
        for number, command, _, at in self._jobs.of(space):
            moment = datetime_of_micros(at)
            made.append([number, command, "FINISHED", moment, moment])
        return made

    def job(self, number: int, space: str) -> Rows:
        found = next((job for job in self._jobs.of(space) if job[0] == number), None)
        if found is None:
            raise ExecutionError("Key not existed!")
        moment = datetime_of_micros(found[3])
        host = self._address[0]
        return [
            [number, found[1], "FINISHED", moment, moment, "SUCCEEDED"],
            [0, host, "FINISHED", moment, moment, "SUCCEEDED"],
            ["Total:1", "Succeeded:1", "Failed:0", "In Progress:0", "", ""],
        ]

    def hosts(self, _name: Any) -> Rows:
        host, port = self._address
        return [[host, port, "ONLINE", 0, "No valid partition", "No valid partition", VERSION]]

    def users(self, _name: Any) -> Rows:
        return [[name, ""] for name in self._users.names()]

    def sessions(self, _name: Any) -> Rows:
        return [self._row(session) for session in self._visible()]

    def _visible(self) -> list[Session]:
        """A session's number opens it: only GOD sees those of others."""
        if self._session.user.role == GOD:
            return self._sessions.all()
        return [self._session]

    def session(self, number: int) -> Rows:
        found = [session for session in self._visible() if session.id == number]
        if not found:
            raise ExecutionError("Session not existed!")
        return [self._row(found[0])]

    def _row(self, session: Session) -> list[Any]:
        host, port = self._address
        created, updated = datetime_of_micros(session.created), datetime_of_micros(session.updated)
        place = f"{host}:{port}"
        return [
            session.id,
            session.user.name,
            session.space or "",
            created,
            updated,
            place,
            0,
            session.address,
        ]

    def queries(self, _name: Any) -> Rows:
        host, port = self._address
        now = time.time()
        made: Rows = []
        for session in self._visible():
            for query in list(session.queries.values()):
                started = datetime_of_micros(int(query.started * 1e6))
                took = int((now - query.started) * 1e6)
                place = f"{host}:{port}"
                made.append(
                    [session.id, query.number, session.user.name, place, started, took, "RUNNING", query.text]
                )
        return made
