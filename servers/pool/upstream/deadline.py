"""A deadline that moves: cancels the current task when nothing was heard for too long.

Moving it is an assignment, so that it may be moved for every chunk of a stream.
"""

import asyncio


class Deadline:
    """`with Deadline(60) as patience:` … `patience.renew(30)`. Raises TimeoutError when it runs out.

    `polled`: no timer of its own; somebody calls `look` now and then, which is cheaper for many at once.
    """

    __slots__ = ("_loop", "_task", "_timer", "deadline", "ran_out", "writing")

    def __init__(self, seconds: float, *, polled: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self.deadline = self._loop.time() + seconds
        self.ran_out = False
        self.writing = False
        if not polled:
            self._timer = self._loop.call_at(self.deadline, self._wake)

    def renew(self, seconds: float) -> None:
        """From now on, wait so long."""
        self.deadline = self._loop.time() + seconds
        if self._timer is not None and self.deadline < self._timer.when():
            self._timer.cancel()
            self._timer = self._loop.call_at(self.deadline, self._wake)

    def look(self) -> None:
        """Cancel the task if the deadline has passed; once."""
        if self._task is not None and not self.ran_out and self._loop.time() >= self.deadline:
            self.ran_out = True
            self._task.cancel()

    def __enter__(self) -> "Deadline":
        self._task = asyncio.current_task()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, _trace: object) -> None:
        task, self._task = self._task, None
        if self._timer is not None:
            self._timer.cancel()
        if self.ran_out and kind is asyncio.CancelledError and task is not None and task.uncancel() == 0:
            raise TimeoutError from exc

    def _wake(self) -> None:
        self.look()
        if not self.ran_out:
            self._timer = self._loop.call_at(self.deadline, self._wake)
