"""What the engine asks of the server around it: sessions, users, hosts, jobs, for USE, SHOW, SUBMIT JOB.

The server's side of it is `server/administration`.
"""

from typing import Protocol

from servers.graph.engine.execution import Rows


class Administration(Protocol):
    """The server as the statements of one session see it; rows are in the columns that SHOW names."""

    def use(self, space: str) -> None:
        """The session is in that space from now on."""
        ...

    def space_dropped(self, space: str) -> None:
        """No session is in that space any more."""
        ...

    def finished_job(self, command: str, space: str) -> int:
        """Note a job that is over, such as REBUILD_TAG_INDEX; its number."""
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
