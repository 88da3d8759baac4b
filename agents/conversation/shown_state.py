"""An agent's state as its readers see it: the conversation as LangChain's messages, the last turn, no
working notes.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

from pydantic_core import to_jsonable_python

from agents.conversation.state import Message
from tools.schema import JsonObject

SHOWN = ("messages", "answer", "cited", "sources", "route", "model", "language", "degraded", "summary")
TYPES = {"user": "human", "assistant": "ai", "developer": "system", "function": "tool"}
"""LangChain's types of the roles that are called otherwise there."""
UNNAMED = UUID("6a0f3b1c-93a5-5c1e-8d52-0c6f5f2b9d10")
"""Of the name-based ids (RFC 9562, version 5) of messages that came without one."""


def shown_values(values: JsonObject, *, asking: bool = False) -> JsonObject:
    """The fields of `SHOWN`, and the interrupts that a person has to answer.

    While a turn goes on (`asking`) what it asks is the end of the conversation.
    """
    found: JsonObject = {name: values[name] for name in SHOWN if name in values}
    messages = list(values.get("messages", []))
    if asking:
        messages += [one for one in values.get("asked") or [] if one not in messages]
    if "messages" in found or messages:
        found["messages"] = shown_messages(messages)
    if values.get("__interrupt__"):
        found["__interrupt__"] = plain(values["__interrupt__"])
    return plain(found)


def shown_update(update: Any) -> Any:
    """What a node wrote, by the fields of `SHOWN`."""
    if not isinstance(update, dict):
        return plain(update)
    found = {name: value for name, value in update.items() if name in SHOWN}
    if "messages" in found:
        found["messages"] = shown_messages(found["messages"])
    return plain(found)


def shown_messages(messages: Sequence[Message]) -> list[JsonObject]:
    """Messages with LangChain's `type` beside OpenAI's `role`; one without an id is called after its place
    and content, in every copy alike."""
    return [
        {
            **message,
            "type": TYPES.get(message["role"], message["role"]),
            "id": message.get("id") or uuid5(UNNAMED, f"{place}/{message}").hex,
        }
        for place, message in enumerate(messages)
    ]


def plain(value: Any) -> Any:
    """`value` as JSON; what JSON does not know becomes a text."""
    return to_jsonable_python(value, fallback=str)
