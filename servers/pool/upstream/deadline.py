"""A deadline that moves: cancels the current task when nothing was heard for too long.

Moving it is an assignment, so that it may be moved for every chunk of a stream.
"""

import asyncio


class Deadline:
    """`with Deadline(60) as deadline:` … `deadline.renew(30)`. Raises TimeoutError when it runs out.

    `polled`: no timer of its own; somebody calls `check` now and then, which is cheaper for many at once.
    """

    __slots__ = ("_loop", "_task", "_timer", "expired", "expires_at", "writing")

    def __init__(self, seconds: float, *, polled: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self.expires_at = self._loop.time() + seconds
        self.expired = False
        self.writing = False
        if not polled:
            self._timer = self._loop.call_at(self.expires_at, self._wake)

    def renew(self, seconds: float) -> None:
        """From now on, wait so long. Cheap: an assignment, unless it comes nearer."""
        self.expires_at = self._loop.time() + seconds
        if self._timer is not None and self.expires_at < self._timer.when():
            self._timer.cancel()
            self._timer = self._loop.call_at(self.expires_at, self._wake)

    def check(self) -> None:
        """Cancel the task if the deadline has passed; once."""
        if self._task is not None and not self.expired and self._loop.time() >= self.expires_at:
            self.expired = True
            self._task.cancel()

    def __enter__(self) -> "Deadline":
        self._task = asyncio.current_task()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, _trace: object) -> None:
        task, self._task = self._task, None
        if self._timer is not None:
            self._timer.cancel()
        if self.expired and kind is asyncio.CancelledError and task is not None and task.uncancel() == 0:
            raise TimeoutError from exc

    def _wake(self) -> None:
        self.check()
        if not self.expired:
            self._timer = self._loop.call_at(self.expires_at, self._wake)
