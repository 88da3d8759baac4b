"""The server that USE, SHOW and SUBMIT JOB look at: sessions, users, queries, hosts, finished jobs."""

import time
from itertools import count
from typing import Any, NamedTuple

from servers.graph.engine.administration_protocol import Administration
from servers.graph.engine.execution import Execution, Rows
from servers.graph.errors import ExecutionError, PermissionDenied
from servers.graph.server.sessions import Session, Sessions
from servers.graph.server.users import GOD, Users
from servers.graph.values.temporal import datetime_of_micros

VERSION = "3.8.0"


class Job(NamedTuple):
    """A job that is over; `what` it was about, `at` is microseconds since 1970."""

    number: int
    command: str
    space: str
    what: str
    at: int


class Jobs:
    """Jobs that are over as soon as they are asked for: nothing here runs behind a statement's back.

    The last 10,000 are kept.
    """

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._numbers = count(1)

    def add(self, command: str, space: str, what: str) -> int:
        """Note a job; its number, counted from 1."""
        number = next(self._numbers)
        self._jobs.append(Job(number, command, space, what, time.time_ns() // 1000))
        del self._jobs[:-10_000]
        return number

    def of(self, space: str) -> list[Job]:
        """A space's jobs, the latest first."""
        return [job for job in reversed(self._jobs) if job.space == space]


class SessionAdministration(Administration):
    """The engine's `Administration` for one session: what each method gives is said there.

    `run` is the request that asks, which no KILL ends.
    """

    def __init__(
        self,
        session: Session,
        sessions: Sessions,
        users: Users,
        jobs: Jobs,
        address: tuple[str, int],
        run: Execution,
    ) -> None:
        self._session, self._sessions, self._users, self._jobs = session, sessions, users, jobs
        self._address, self._run = address, run

    def user(self) -> str:
        return self._session.user.name

    def role(self, space: str | None) -> str:
        return self._users.role(self._session.user.name, space)

    def create_user(self, name: str, password: str, *, if_not_exists: bool) -> None:
        if not self._users.create(name, password) and not if_not_exists:
            raise ExecutionError("Existed!")

    def set_password(self, name: str, old: str | None, new: str) -> None:
        if self.role(None) != GOD and name != self.user():
            raise PermissionDenied("No permission to write user.")
        self._users.set_password(name, old, new)

    def drop_user(self, name: str, *, if_exists: bool) -> None:
        if not self._users.drop(name) and not if_exists:
            raise ExecutionError("User not existed!")

    def grant(self, name: str, role: str, space: str) -> None:
        self._users.grant(name, role, space)

    def revoke(self, name: str, role: str, space: str) -> None:
        self._users.revoke(name, role, space)

    def roles_of(self, name: str) -> Rows:
        if name not in self._users.names():
            raise ExecutionError("User not existed!")
        return [[role, space] for user, role, space in self._users.roles() if user == name]

    def roles_in(self, space: str) -> Rows:
        return [[user, role] for user, role, place in self._users.roles() if place == space]

    def kill_query(self, session: int | None, number: int) -> None:
        found = self._killable(self._session.id if session is None else session)
        query = found.queries.get(number)
        if query is None:
            raise ExecutionError(f"ExecutionPlanId[{number}] does not exist in Session[{found.id}].")
        query.run.killed = True

    def kill_session(self, session: int) -> None:
        found = self._killable(session)
        for query in list(found.queries.values()):
            query.run.killed = query.run is not self._run
        self._sessions.close(found.id)

    def _killable(self, number: int) -> Session:
        """Others' sessions are GOD's to end; to everybody else they do not exist."""
        found = next((session for session in self._sessions.all() if session.id == number), None)
        if found is None:
            raise ExecutionError(f"SessionId[{number}] does not exist")
        if self.role(None) != GOD and found.user.name != self.user():
            raise PermissionDenied("Only GOD role could kill others' queries.")
        return found

    def use(self, space: str) -> None:
        self._session.space = space

    def space_dropped(self, space: str) -> None:
        self._users.forget_space(space)
        for session in self._sessions.all():
            if session.space == space:
                session.space = None

    def finished_job(self, command: str, space: str, what: str = "") -> int:
        return self._jobs.add(command, space, what)

    def rebuilt(self, command: str, space: str) -> Rows:
        found = dict.fromkeys(job.what for job in self._jobs.of(space) if job.command == command)
        return [[what, "FINISHED"] for what in found]

    def jobs(self, space: str) -> Rows:
        made: Rows = []
        for job in self._jobs.of(space):
            moment = datetime_of_micros(job.at)
            made.append([job.number, job.command, "FINISHED", moment, moment])
        return made

    def job(self, number: int, space: str) -> Rows:
        found = next((job for job in self._jobs.of(space) if job.number == number), None)
        if found is None:
            raise ExecutionError("Key not existed!")
        moment = datetime_of_micros(found.at)
        host = self._address[0]
        return [
            [number, found.command, "FINISHED", moment, moment, "SUCCEEDED"],
            [0, host, "FINISHED", moment, moment, "SUCCEEDED"],
            ["Total:1", "Succeeded:1", "Failed:0", "In Progress:0", "", ""],
        ]

    def hosts(self) -> Rows:
        host, port = self._address
        return [[host, port, "ONLINE", 0, "No valid partition", "No valid partition", VERSION]]

    def hosts_of(self, role: str) -> Rows:
        host, port = self._address
        return [[host, port, "ONLINE", role, "", VERSION]]

    def users(self) -> Rows:
        return [[name] for name in self._users.names()]

    def sessions(self) -> Rows:
        return [self._row(session) for session in self._visible()]

    def _visible(self) -> list[Session]:
        """A session's number opens it: only GOD sees those of others."""
        if self.role(None) == GOD:
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
