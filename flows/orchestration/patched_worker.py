"""Prefect's worker as Prefect starts it, but a run that comes back before its last attempt is over waits.

A run holds its place until its process is gone and the hooks of its crash have run. Who sent it back to the
queue meanwhile, an automation or a person, ended the worker, and with it the other runs under way.
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from prefect.cli import app
from prefect.logging import get_logger
from prefect.workers.base import BaseWorker

HELD = "already holding"  # what anyio's CapacityLimiter says


def wait_for_last_attempt() -> None:
    """From now on a worker that meets such a run looks again at its next round."""
    method = "get_and_submit_flow_runs"
    setattr(BaseWorker, method, _patient(getattr(BaseWorker, method)))


def _patient(submit: Callable[..., Awaitable[list[Any]]]) -> Callable[..., Awaitable[list[Any]]]:
    @functools.wraps(submit)
    async def patient(worker: Any) -> list[Any]:
        try:
            return await submit(worker)
        except RuntimeError as error:
            if HELD not in str(error):
                raise
            get_logger("capibara6.worker").info("a run came back before its last attempt was over; it waits")
            return []

    return patient


if __name__ == "__main__":
    wait_for_last_attempt()
    app()
