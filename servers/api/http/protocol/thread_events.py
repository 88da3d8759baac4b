"""A run's events in the Agent Protocol's streaming form: methods, data, a message in its blocks. Pure.

Written after the protocol's `StreamingEvent` (`langchain_protocol`), as LangGraph's clients read it.
"""

from typing import Any

from agents.conversation.state import answer_id
from agents.events import Done, Failed, Interrupted, Token, ToolFinished, ToolStarted
from servers.api.runs.active_run import RunEvent
from servers.api.runs.tables import RunRow
from tools.schema import JsonObject

Told = tuple[str, Any]
"""A method's name and its data."""
CHANNELS = ("values", "updates", "checkpoints", "tasks", "messages", "tools", "lifecycle", "input", "custom")
RECORDED = ("values", "updates", "checkpoints", "tasks")
"""Stream modes that a run must be started with, for its channels to be told."""
DONE, FAILED, INTERRUPTED, TOKEN, FINISHED, STARTED = (
    kind.model_fields["event"].default
    for kind in (Done, Failed, Interrupted, Token, ToolFinished, ToolStarted)
)
STATUS = {"success": "completed", "interrupted": "interrupted"}
"""A lifecycle's end by the run's status; `failed` for any other."""


class RunTranslation:
    """Tells one run: `begin`, then `of` each of its events, then `end`."""

    def __init__(self, row: RunRow) -> None:
        self.message_id, self.text = answer_id(row.run_id), ""
        self.graph, self.error = row.request.get("agent", row.agent_id), ""

    def begin(self) -> list[Told]:
        """The run has begun."""
        return [("lifecycle", {"event": "running", "graph_name": self.graph})]

    def of(self, event: RunEvent) -> list[Told]:
        """What an event is told as, most often one thing."""
        if event.part == "updates":
            return [("updates", _update(node, values)) for node, values in event.data.items()]
        if event.part:
            return [(event.part, event.data)] if event.part in RECORDED else []
        return [*self._of_own(event.data), ("custom", {"name": event.data["event"], "payload": event.data})]

    def end(self, status: str) -> list[Told]:
        """How the run ended."""
        told: JsonObject = {"event": STATUS.get(status, "failed"), "graph_name": self.graph}
        return [("lifecycle", {**told, "error": self.error} if self.error else told)]

    def _of_own(self, event: JsonObject) -> list[Told]:
        kind = event["event"]
        if kind == TOKEN:
            return [*self._opened(), ("messages", self._message("content-block-delta", self._delta(event)))]
        if kind == DONE:
            return self._closed(event)
        if kind == FAILED:
            self.error = event["error"]["message"]
        if kind == STARTED:
            named = {
                "tool_call_id": event["call_id"],
                "tool_name": event["tool"],
                "input": event["arguments"],
            }
            return [("tools", {"event": "tool-started", **named})]
        if kind == FINISHED:
            return [("tools", _tool_ending(event))]
        if kind == INTERRUPTED:
            asked = {"interrupt_id": event["interrupt_id"], "payload": event["request"]}
            return [("input.requested", {**asked, "value": event["request"]})]
        return []

    def _opened(self) -> list[Told]:
        if self.text:
            return []
        start = {"role": "ai", "id": self.message_id}
        block = {"index": 0, "content": {"type": "text", "text": ""}}
        return [
            ("messages", self._message("message-start", start)),
            ("messages", self._message("content-block-start", block)),
        ]

    def _delta(self, event: JsonObject) -> JsonObject:
        self.text += event["text"]
        return {"index": 0, "delta": {"type": "text-delta", "text": event["text"]}}

    def _closed(self, event: JsonObject) -> list[Told]:
        if not self.text:
            return []
        usage = event.get("usage") or {}
        counted = {
            "input_tokens": usage.get("prompt_tokens", 0),
            "output_tokens": usage.get("completion_tokens", 0),
            "total_tokens": usage.get("total_tokens", 0),
        }
        block = {"index": 0, "content": {"type": "text", "text": self.text}}
        return [
            ("messages", self._message("content-block-finish", block)),
            ("messages", self._message("message-finish", {"usage": counted})),
        ]

    def _message(self, event: str, data: JsonObject) -> JsonObject:
        return {"event": event, "message_id": self.message_id, **data}


def channel_of(method: str) -> str:
    """The channel that a method belongs to."""
    return "input" if method == "input.requested" else method


def _update(node: str, values: Any) -> JsonObject:
    return {"node": node, "values": values if isinstance(values, dict) else {"__interrupt__": values}}


def _tool_ending(event: JsonObject) -> JsonObject:
    if event["ok"]:
        return {"event": "tool-finished", "tool_call_id": event["call_id"], "output": event["result"]}
    return {"event": "tool-error", "tool_call_id": event["call_id"], "message": str(event["result"])}
