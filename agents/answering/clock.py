"""Measures how long a node took and puts it into the turn's `timings`."""

import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec

from agents.conversation.state import Update

Given = ParamSpec("Given")
Node = Callable[Given, Awaitable[Update]]


def clocked(stage: str) -> Callable[[Node[Given]], Node[Given]]:
    """Add `{stage: milliseconds}` to the update that the node returns."""

    def around(node: Node[Given]) -> Node[Given]:
        @wraps(node)
        async def timed(*args: Given.args, **kwargs: Given.kwargs) -> Update:
            started = time.monotonic()
            update = await node(*args, **kwargs)
            took = round((time.monotonic() - started) * 1000, 1)
            return {**update, "timings": {**update.get("timings", {}), stage: took}}

        return timed

    return around
