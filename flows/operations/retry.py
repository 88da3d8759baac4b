"""Retry policies of flows' tasks: how long they wait for a service that is away, silent or busy."""

from collections.abc import Callable
from typing import Any, Final, NotRequired, TypedDict

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun

from tools.errors import QueueFull, RateLimited, Unavailable, UpstreamFailed, UpstreamSilent

TRANSIENT = (Unavailable, UpstreamFailed, UpstreamSilent, RateLimited, QueueFull)


class RetryPolicy(TypedDict):
    """What Prefect's `@task` takes: delays in seconds, each longer by up to the jitter's share of it."""

    retries: int
    retry_delay_seconds: int | list[float]
    retry_condition_fn: Callable[[Task[..., Any], TaskRun, State], bool]
    retry_jitter_factor: NotRequired[float]


def is_transient(_task: Task[..., Any], _run: TaskRun, state: State) -> bool:
    """True when the failure may be over in a moment."""
    return isinstance(state.data, TRANSIENT)


LONG_RETRY: Final[RetryPolicy] = {
    "retries": 6,
    "retry_delay_seconds": [1, 2, 4, 8, 16, 30],
    "retry_jitter_factor": 0.2,
    "retry_condition_fn": is_transient,
}
"""About a minute in growing steps."""
SHORT_RETRY: Final[RetryPolicy] = {
    "retries": 2,
    "retry_delay_seconds": 1,
    "retry_condition_fn": is_transient,
}
"""Two seconds: where the failure is itself the answer, or somebody waits."""
