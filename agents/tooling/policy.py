"""Who may call which tool, decided outside the model and from facts alone. Pure: it calls and asks nothing.

No text, whoever wrote it, can widen what was granted: the model's words are not an input here.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from tools.registry import Tool


@dataclass(frozen=True)
class Taint:
    """What the run has touched so far: data that is only the owner's, text that others wrote."""

    private: bool = False
    untrusted: bool = False

    def after(self, tool: Tool) -> "Taint":
        return Taint(self.private or tool.private, self.untrusted or tool.untrusted)


@dataclass(frozen=True)
class Verdict:
    """`ask` means that a person must confirm the call first."""

    kind: Literal["allow", "ask", "refuse"]
    reason: str = ""


def granted(
    of_key: Collection[str], of_task: Collection[str] | None, default: Collection[str]
) -> frozenset[str]:
    """What this key and this task grant together; a task that says nothing gets the agent's default."""
    return frozenset(default if of_task is None else of_task) & frozenset(of_key)


def decide(
    name: str, tool: Tool | None, *, grants: Collection[str], taint: Taint, confirmed: bool
) -> Verdict:
    if tool is None or name not in grants:
        return Verdict("refuse", f"{name} was not granted to this task")
    if tool.effect == "outward" and taint.private and taint.untrusted:
        return Verdict(
            "refuse", f"{name} sends data out, and this run has read private data and foreign text"
        )
    if tool.effect != "none" and not confirmed:
        return Verdict("ask", f"{name} changes something: a person must confirm it")
    return Verdict("allow")
