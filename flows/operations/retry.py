"""How long flows wait for a service that is away: a minute in growing steps, then the task fails."""

from typing import Any

from tools.errors import RateLimited, Unavailable, UpstreamFailed, UpstreamSilent

PASSING = (Unavailable, UpstreamFailed, UpstreamSilent, RateLimited)


def passing(_task: Any, _run: Any, state: Any) -> bool:
    """True when the failure may be over in a moment: the service was away, silent or busy."""
    return isinstance(state.data, PASSING)


PATIENT: dict[str, Any] = {
    "retries": 6,
    "retry_delay_seconds": [1, 2, 4, 8, 16, 30],
    "retry_jitter_factor": 0.2,
    "retry_condition_fn": passing,
}
HASTY: dict[str, Any] = {"retries": 2, "retry_delay_seconds": 1, "retry_condition_fn": passing}
