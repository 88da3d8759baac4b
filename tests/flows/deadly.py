"""Runs flow `ingest` in a process that kills itself (SIGKILL) before or after the n-th time of one step.

`python -m tests.flows.deadly FOLDER COLLECTION STEP before|after N`; steps are the verbs that `ingest` calls.
"""

import asyncio
import os
import signal
import sys
from functools import wraps
from typing import Any

import flows.ingest as subject
from flows.ingest import ingest

STEPS = ("find", "known", "load", "send", "compare", "remove", "publish")
TASKS = ("known", "load", "remove")


def arm(step: str, *, after: bool, times: int) -> None:
    """The `times`-th call of the step is the last thing that this process does."""
    target: Any = getattr(subject, step)
    owner, name, real = (target, "fn", target.fn) if step in TASKS else (subject, step, target)
    calls = 0

    def count() -> bool:
        nonlocal calls
        calls += 1
        return calls == times

    @wraps(real)
    async def deadly(*given: Any, **named: Any) -> Any:
        last = count()
        if last and not after:
            die()
        result = await real(*given, **named)
        if last:
            die()
        return result

    @wraps(real)
    def deadly_now(*given: Any, **named: Any) -> Any:
        last = count()
        if last and not after:
            die()
        result = real(*given, **named)
        if last:
            die()
        return result

    setattr(owner, name, deadly if asyncio.iscoroutinefunction(real) else deadly_now)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: str, collection: str, step: str = "", when: str = "", times: str = "1") -> None:
    if step:
        arm(step, after=when == "after", times=int(times))
    asyncio.run(ingest(sources=[folder], collection=collection, batch_size=2, prune=True, max_delete_share=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
