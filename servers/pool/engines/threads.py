"""How many threads an engine on a CPU computes with: its share of the cores that this process may use."""

import math
import os
from pathlib import Path

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Microseconds of CPU a period, and the period; `max` without a bound."""


def thread_environment(engines: int) -> dict[str, str]:
    """The variables that bound an engine's threads: the cores divided by `engines`.

    Threads that wait must sleep: spinning ones take the cores from the engine that works.
    """
    share = max(1, cores() // max(1, engines))
    return {"OMP_NUM_THREADS": str(share), "OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}


def cores() -> int:
    """The cores that this process may use, by its affinity and its control group's quota."""
    allowed = len(os.sched_getaffinity(0))
    try:
        quota, period = CGROUP_QUOTA.read_text().split()
    except (OSError, ValueError):
        return allowed
    return min(allowed, max(1, math.floor(int(quota) / int(period)))) if quota.isdigit() else allowed
