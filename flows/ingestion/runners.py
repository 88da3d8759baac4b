"""Prefect task runners for heavy work: threads here, or the workers of a Dask or Ray cluster.

`CAPIBARA6_TASK_RUNNER` chooses; a cluster that is not named is started on this machine for the run.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from prefect import Task
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from tools.errors import NotSupported
from tools.settings import Settings

T = TypeVar("T")


class Executor:
    """Runs tasks in a task runner, at most `workers` at once; what they raise comes back."""

    def __init__(self, runner: TaskRunner[Any], workers: int) -> None:
        self.runner = runner
        self.workers = workers

    async def __call__(self, task: Task[..., T], **parameters: Any) -> T:
        future = self.runner.submit(task, parameters=parameters)
        return await asyncio.to_thread(future.result)


@contextmanager
def open_executor(settings: Settings) -> Iterator[Executor]:
    """An executor over the task runner that the settings name.

    Raises `NotSupported` when its extra is not installed."""
    with RUNNERS[settings.task_runner](settings) as runner:
        yield Executor(runner, settings.flows.workers)


def _threads(settings: Settings) -> TaskRunner[Any]:
    return ThreadPoolTaskRunner(max_workers=settings.flows.workers)


def _dask(settings: Settings) -> TaskRunner[Any]:
    try:
        from prefect_dask.task_runners import DaskTaskRunner  # noqa: PLC0415  (an extra)
    except ImportError as exc:
        raise _missing("dask") from exc
    if settings.flows.cluster is not None:
        return DaskTaskRunner(address=settings.flows.cluster)
    local = {
        "n_workers": settings.flows.workers,
        "threads_per_worker": 1,
        "dashboard_address": "127.0.0.1:0",
        "host": "127.0.0.1",
    }
    return DaskTaskRunner(cluster_kwargs=local)


def _ray(settings: Settings) -> TaskRunner[Any]:
    try:
        from prefect_ray import RayTaskRunner  # noqa: PLC0415  (an extra)  # pyright: ignore[reportMissingImports]
    except ImportError as exc:
        raise _missing("ray") from exc
    if settings.flows.cluster is not None:
        return RayTaskRunner(address=settings.flows.cluster)
    return RayTaskRunner(init_kwargs={"num_cpus": settings.flows.workers, "include_dashboard": False})


def _missing(name: str) -> NotSupported:
    return NotSupported(
        f"CAPIBARA6_TASK_RUNNER={name} needs an extra: pip install 'capibara6[{name}]'", source="flows"
    )


RUNNERS: dict[str, Callable[[Settings], TaskRunner[Any]]] = {"threads": _threads, "dask": _dask, "ray": _ray}
