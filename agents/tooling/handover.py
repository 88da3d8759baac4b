"""Tools that the caller runs itself (OpenAI's function calling): a turn ends with the calls that the model
asks for, and the next one begins with what they gave. It makes no call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.answering.model import ToolCall
from agents.conversation.state import Message
from tools.schema import JsonObject

FREE = ("auto", None)
"""Choices that leave it to the model whether it calls anything, and so also our own tools."""


@dataclass(frozen=True)
class Offer:
    """Schemas of the tools that a model is offered, and what goes to it with them (OpenAI's names)."""

    tools: list[JsonObject] = field(default_factory=list[JsonObject])
    options: JsonObject = field(default_factory=dict[str, Any])
    names: frozenset[str] = frozenset()
    """Those of the caller."""


def offer(own: Sequence[JsonObject], calling: Mapping[str, Any]) -> Offer:
    """Our `own` tools together with those of the caller, which stand above ours of the same name. Where the
    caller says what must be called, ours are left out: they would count as the call."""
    choice = calling.get("tool_choice")
    given: list[JsonObject] = [] if choice == "none" else list(calling.get("tools", ()))
    if not given:
        return Offer(list(own))
    names = frozenset(name_of(tool) for tool in given)
    ours = [tool for tool in own if name_of(tool) not in names] if choice in FREE else []
    options = {name: calling[name] for name in ("tool_choice", "parallel_tool_calls") if name in calling}
    return Offer([*ours, *given], options, names)


def name_of(tool: JsonObject) -> str:
    """The name of a tool's schema."""
    return str(tool.get("function", {}).get("name", ""))


def handed(calls: Sequence[ToolCall], offered: Offer) -> list[JsonObject]:
    """The calls that are the caller's to make, as the model wrote them. Ours beside them are left out: the
    model can ask for them again once it has read what these gave."""
    return [call.as_written() for call in calls if call.tool in offered.names]


def called(scratch: Sequence[Message]) -> list[str]:
    """The names of the tools whose calls a turn begins with."""
    return [
        str(call.get("function", {}).get("name", ""))
        for message in scratch
        for call in message.get("tool_calls") or ()
    ]


def results(scratch: Sequence[Message], names: frozenset[str]) -> list[Message]:
    """What the caller's tools gave, said as by the user, whose they are."""
    own = {
        call.get("id")
        for message in scratch
        for call in message.get("tool_calls") or ()
        if name_of(call) in names
    }
    return [
        {"role": "user", "content": message["content"]}
        for message in scratch
        if message.get("role") == "tool" and message.get("tool_call_id") in own
    ]
