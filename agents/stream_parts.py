"""What a run tells in LangGraph's stream modes, beside its own events: parts, named as LangGraph's server
names its server-sent events.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from agents.conversation.shown_state import plain, shown_messages, shown_update, shown_values
from agents.conversation.state import answer_id
from agents.events import AnyEvent, Token
from agents.graph_options import StreamMode
from tools.schema import JsonObject

FROM_GRAPH = ("updates", "tasks", "checkpoints", "debug")
"""Modes that a compiled graph streams by itself."""


class Part(NamedTuple):
    """`name` is the event's, `data` JSON."""

    name: str
    data: Any

    @property
    def mode(self) -> str:
        """The stream mode that it belongs to."""
        return mode_of(self.name)


def mode_of(name: str) -> str:
    """The stream mode of an event's name: tuples are told as `messages`, whole ones as `messages/…`."""
    return "messages-tuple" if name == "messages" else name.partition("/")[0]


class StreamParts:
    """Translates what one run's graph streams; `values` are the newest.

    `metadata` goes with each piece of a message.
    """

    def __init__(self, modes: tuple[StreamMode, ...], *, run_id: str, metadata: Mapping[str, Any]) -> None:
        self.modes = frozenset(modes)
        self.metadata = dict(metadata)
        self.message_id, self.text = answer_id(run_id), ""

    def of(self, mode: str, item: Any) -> list[Part]:
        """The parts that an item of the graph's stream is told as."""
        if mode == "custom":
            return self._of_event(item) if isinstance(item, AnyEvent) else []
        if mode not in self.modes:
            return []
        match mode:
            case "values":
                return [Part(mode, shown_values(item, asking=True))]
            case "updates":
                shown = {node: shown_update(update) for node, update in item.items()}
                return [Part(mode, shown)]
            case _:
                return [Part(mode, plain(item))]

    def ending(self, values: JsonObject) -> list[Part]:
        """The message that the run ended with, whole."""
        messages = shown_messages(values.get("messages", []))
        if not messages or messages[-1]["id"] != self.message_id:
            return []
        parts = []
        if "messages" in self.modes:
            parts.append(Part("messages/complete", messages[-1:]))
        if "messages-tuple" in self.modes and not self.text:
            parts.append(Part("messages", [messages[-1], self.metadata]))
        return parts

    def _of_event(self, event: Any) -> list[Part]:
        parts = [Part("custom", event.model_dump(mode="json"))] if "custom" in self.modes else []
        if not isinstance(event, Token):
            return parts
        first, self.text = not self.text, self.text + event.text
        message = {"type": "AIMessageChunk", "role": "assistant", "id": self.message_id}
        if "messages-tuple" in self.modes:
            parts.append(Part("messages", [{**message, "content": event.text}, self.metadata]))
        if "messages" in self.modes:
            if first:
                head = {self.message_id: {"metadata": self.metadata}}
                parts.append(Part("messages/metadata", head))
            parts.append(Part("messages/partial", [{**message, "type": "ai", "content": self.text}]))
        return parts
