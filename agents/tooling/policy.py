"""The policy of tool calls: allowed, refused or asked first, by grants and taint. Pure: it calls nothing.

No text, whoever wrote it, can widen what was granted: the model's words are not an input here.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from tools.registry import Tool

MARK = "__"
"""Stands in the name of a tool of an MCP server, between the server's and its own."""


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


class Grants(frozenset[str]):
    """Names of tools; `server__*` and `server__list_*` are all those of an MCP server that begin so."""

    def __contains__(self, name: object) -> bool:
        """Whether a tool, or everything that such a pattern means, is granted."""
        if super().__contains__(name):
            return True
        return isinstance(name, str) and any(
            MARK in pattern and pattern.endswith("*") and name.startswith(pattern[:-1]) for pattern in self
        )


def granted(of_key: Collection[str], of_task: Collection[str] | None, default: Collection[str]) -> Grants:
    """What this key and this task grant together; a task that says nothing gets the agent's default."""
    key, task = Grants(of_key), Grants(default if of_task is None else of_task)
    return Grants([*(name for name in task if name in key), *(name for name in key if name in task)])


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
    if tool.effect != "none" and tool.asks and not confirmed:
        return Decision("ask", f"{name} changes something: a person must confirm it")
    return Decision("allow")
