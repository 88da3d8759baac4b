"""Runs flow `ingest` in processes that kill themselves (SIGKILL) before or after the n-th time of one step.

`python -m tests.flows.killed_ingest` reads a JSON list a line, `[FOLDER, COLLECTION, STEP, before|after, N]`;
steps are the verbs that `ingest` calls. It answers each with the exit status of the fork that ran it: what
takes seconds, importing, is done once.
"""

import asyncio
import json
import os
import signal
import sys
from functools import wraps
from typing import Any

import flows.ingest as module
from flows.ingest import ingest

STEPS = ("list_sources", "differ", "load", "send", "stored", "remove", "publish")
TASKS = ("differ", "stored", "load", "remove")


def arm(step: str, *, after: bool, times: int) -> None:
    """The `times`-th call of the step is the last thing that this process does."""
    target: Any = getattr(module, step)
    owner, name, real = (target, "fn", target.fn) if step in TASKS else (module, step, target)
    calls = 0

    def count() -> bool:
        nonlocal calls
        calls += 1
        return calls == times

    @wraps(real)
    async def dying(*given: Any, **named: Any) -> Any:
        last = count()
        if last and not after:
            die()
        result = await real(*given, **named)
        if last:
            die()
        return result

    @wraps(real)
    def dying_now(*given: Any, **named: Any) -> Any:
        last = count()
        if last and not after:
            die()
        result = real(*given, **named)
        if last:
            die()
        return result

    setattr(owner, name, dying if asyncio.iscoroutinefunction(real) else dying_now)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def attempt(folder: str, collection: str, step: str = "", when: str = "", times: int = 1) -> None:
    if step:
        arm(step, after=when == "after", times=times)
    asyncio.run(ingest(sources=[folder], collection=collection, batch_size=2, prune=True))


def forked(*given: Any) -> int:
    """The exit status of one attempt in a process of its own, negative for the signal that ended it."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        attempt(*given)
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    for line in sys.stdin:
        print(forked(*json.loads(line)), flush=True)
