"""What the engine asks of the server around it: sessions, users, hosts, jobs, for USE, SHOW, SUBMIT JOB.

The server's side of it is `server/administration`.
"""

from typing import Protocol

from servers.graph.engine.execution import Rows


class Administration(Protocol):
    """The server as the statements of one session see it; rows are in the columns that SHOW names."""

    def user(self) -> str:
        """The name of the session's user."""
        ...

    def role(self, space: str | None) -> str:
        """The user's role in a space, in all of them for None; "" for none."""
        ...

    def create_user(self, name: str, password: str, *, if_not_exists: bool) -> None:
        """A new user without a role. Raises `ExecutionError` when the name is taken."""
        ...

    def set_password(self, name: str, old: str | None, new: str) -> None:
        """Another password; `old` is checked unless it is None. Raises `ExecutionError` and its kin."""
        ...

    def drop_user(self, name: str, *, if_exists: bool) -> None:
        """The user is gone. Raises `ExecutionError` when there was none."""
        ...

    def grant(self, name: str, role: str, space: str) -> None:
        """The user has that role, and no other, in the space. Raises `ExecutionError`, `SemanticError`."""
        ...

    def revoke(self, name: str, role: str, space: str) -> None:
        """The user has no role in the space. Raises `ExecutionError` when it was another or none."""
        ...

    def roles_of(self, name: str) -> Rows:
        """`(role, space)` of a user. Raises `ExecutionError` when there is none."""
        ...

    def roles_in(self, space: str) -> Rows:
        """`(user, role)` in a space."""
        ...

    def kill_query(self, session: int | None, number: int) -> None:
        """End a running statement, of the own session for None. Raises `ExecutionError` and its kin."""
        ...

    def kill_session(self, session: int) -> None:
        """End a session and what it runs. Raises `ExecutionError` and its kin."""
        ...

    def use(self, space: str) -> None:
        """The session is in that space from now on."""
        ...

    def space_dropped(self, space: str) -> None:
        """No session is in that space any more."""
        ...

    def finished_job(self, command: str, space: str, what: str = "") -> int:
        """Note a job that is over, such as REBUILD_TAG_INDEX of `what`; its number."""
        ...

    def rebuilt(self, command: str, space: str) -> Rows:
        """What jobs of that command were about in a space, each once, and that they are over."""
        ...

    def jobs(self, space: str) -> Rows:
        """The jobs of a space, the latest first."""
        ...

    def job(self, number: int, space: str) -> Rows:
        """A job, its only task and their sum. Raises `ExecutionError` when the space has no such job."""
        ...

    def hosts(self) -> Rows:
        """The only host: this server."""
        ...

    def hosts_of(self, role: str) -> Rows:
        """This server as a host of one role: GRAPH, STORAGE or META."""
        ...

    def users(self) -> Rows:
        """Every user's name."""
        ...

    def sessions(self) -> Rows:
        """The sessions that this one may see."""
        ...

    def session(self, number: int) -> Rows:
        """A session by its number. Raises `ExecutionError` when this one may not see it."""
        ...

    def queries(self) -> Rows:
        """The statements under way in the sessions that this one may see."""
        ...
