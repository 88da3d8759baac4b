"""A deadline that moves: cancels the current task when nothing was heard for too long.

Moving it is an assignment, so that it may be moved for every chunk of a stream.
"""

import asyncio


class Patience:
    """`with Patience(60) as patience:` … `patience.renew(30)` … ; `ran_out` tells its cancel from others'."""

    __slots__ = ("_loop", "_task", "_timer", "deadline", "ran_out", "writing")

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.deadline = self._loop.time() + seconds
        self.ran_out = False
        self.writing = False

    def renew(self, seconds: float) -> None:
        """From now on, wait so long."""
        self.deadline = self._loop.time() + seconds
        if self.deadline < self._timer.when():
            self._timer.cancel()
            self._timer = self._loop.call_at(self.deadline, self._look)

    def __enter__(self) -> "Patience":
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._timer = self._loop.call_at(self.deadline, self._look)
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, _trace: object) -> None:
        self._timer.cancel()
        if self.ran_out and kind is asyncio.CancelledError and self._task.uncancel() == 0:
            raise TimeoutError from exc

    def _look(self) -> None:
        if self._loop.time() >= self.deadline:
            self.ran_out = True
            self._task.cancel()
        else:
            self._timer = self._loop.call_at(self.deadline, self._look)
