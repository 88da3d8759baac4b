"""The policy of tool calls: allowed, refused or asked first, by grants and taint. Pure: it calls nothing.

No text, whoever wrote it, can widen what was granted: the model's words are not an input here.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from tools.registry import Tool


@dataclass(frozen=True)
class Taint:
    """What a run has read so far: data that is only the owner's, text that others wrote (taint tracking)."""

    private: bool = False
    untrusted: bool = False

    def after(self, tool: Tool) -> "Taint":
        """The taint once `tool` has answered."""
        return Taint(self.private or tool.private, self.untrusted or tool.untrusted)


@dataclass(frozen=True)
class Decision:
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
) -> Decision:
    """Whether `name` may be called. A tool that sends data out is refused to a run that has read both private
    data and foreign text; one that changes something needs a person's yes (`confirmed`)."""
    if tool is None or name not in grants:
        return Decision("refuse", f"{name} was not granted to this task")
    if tool.effect == "outward" and taint.private and taint.untrusted:
        return Decision(
            "refuse", f"{name} sends data out, and this run has read private data and foreign text"
        )
    if tool.effect != "none" and not confirmed:
        return Decision("ask", f"{name} changes something: a person must confirm it")
    return Decision("allow")
