"""The server that USE, SHOW and SUBMIT JOB look at: sessions, users, queries, hosts, finished jobs."""

import time
from typing import Any

from servers.graph.engine.administration_protocol import Administration
from servers.graph.engine.execution import Rows
from servers.graph.errors import ExecutionError
from servers.graph.server.sessions import Session, Sessions
from servers.graph.server.users import GOD, Users
from servers.graph.values.temporal import datetime_of_micros

VERSION = "3.8.0"


class Jobs:
    """Jobs that are over as soon as they are asked for: nothing here runs behind a statement's back.

    The last 10,000 are kept.
    """

    def __init__(self) -> None:
        self._jobs: list[tuple[int, str, str, int]] = []

    def add(self, command: str, space: str) -> int:
        """Note a job; its number, counted from 1."""
        number = len(self._jobs) + 1
        self._jobs.append((number, command, space, time.time_ns() // 1000))
        del self._jobs[:-10_000]
        return number

    def of(self, space: str) -> list[tuple[int, str, str, int]]:
        """`(number, command, space, microseconds since 1970)` of a space's jobs, the latest first."""
        return [job for job in reversed(self._jobs) if job[2] == space]


class SessionAdministration(Administration):
    """The engine's `Administration` for one session: what each method gives is said there."""

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

    def hosts(self) -> Rows:
        host, port = self._address
        return [[host, port, "ONLINE", 0, "No valid partition", "No valid partition", VERSION]]

    def users(self) -> Rows:
        return [[name, ""] for name in self._users.names()]

    def sessions(self) -> Rows:
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

    def queries(self) -> Rows:
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
