"""What a model thinks, told apart from its answer: `reasoning_content` beside `content` on OpenAI's wire.

Engines say it as `reasoning`, or in the content between `<think>` and `</think>` where they run without a
parser for their model. Answers without any go through as they are, after a look at their first text.
"""

from typing import Any

import orjson

from servers.web.sse import format_event
from tools.schema import JsonObject

OPEN, CLOSE = "<think>", "</think>"
NAMED = b'"reasoning"'


class Thinking:
    """One stream of a chat. Feed it whole events."""

    __slots__ = ("_choices", "_watching")

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        self._watching = True
        """Whether the content may still hold thoughts."""

    def feed(self, events: bytes) -> bytes:
        """The same events, thoughts in `reasoning_content`."""
        if not self._watching and NAMED not in events:
            return events
        return b"".join(self._told_apart(line) for line in events.splitlines(keepends=True))

    def _told_apart(self, line: bytes) -> bytes:
        if not line.startswith(b"data:") or line[5:].strip() == b"[DONE]":
            return line
        event = orjson.loads(line[5:])
        changed = False
        for choice in event.get("choices") or ():
            delta = choice.get("delta")
            if isinstance(delta, dict):
                changed = _rename(delta) or changed
                changed = self._split(choice, delta) or changed
        return format_event(event)[:-1] if changed else line

    def _split(self, choice: JsonObject, delta: JsonObject) -> bool:
        if not self._watching:
            return False
        index = choice.get("index")
        known = self._choices.setdefault(index if isinstance(index, int) else 0, _Choice())
        text = delta.get("content")
        said = text if isinstance(text, str) else ""
        thought, answer = known.feed(said, last=bool(choice.get("finish_reason")))
        if delta.get("tool_calls"):
            known.answers = True
        self._watching = not all(each.answers for each in self._choices.values())
        if (thought, answer) == ("", said):
            return False
        delta["content"] = answer
        if thought:
            delta["reasoning_content"] = (delta.get("reasoning_content") or "") + thought
        return True


def told_apart(answer: JsonObject) -> bool:
    """Do the same to a whole answer, in place; whether there was anything to do."""
    changed = False
    for choice in answer.get("choices") or ():
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            continue
        changed = _rename(message) or changed
        text = message.get("content")
        if isinstance(text, str) and text.lstrip().startswith(OPEN):
            thought, said = _Choice().feed(text, last=True)
            message |= {"content": said, "reasoning_content": thought}
            changed = True
    return changed


class _Choice:
    """One of the answers of a stream: begins, thinks, `answers`."""

    __slots__ = ("answers", "held", "thinks")

    def __init__(self) -> None:
        self.answers = self.thinks = False
        self.held = ""

    def feed(self, text: str, *, last: bool) -> tuple[str, str]:
        """What of `text` is thought, and what is answer; a piece of a mark is held until the rest is here."""
        if self.answers:
            return "", text
        text, self.held = self.held + text, ""
        if not self.thinks:
            begins = text.lstrip()
            if not begins.startswith(OPEN):
                if OPEN.startswith(begins) and not last:
                    self.held = text
                    return "", ""
                self.answers = True
                return "", text
            self.thinks, text = True, begins.removeprefix(OPEN)
        thought, closed, answer = text.partition(CLOSE)
        if closed:
            self.answers = True
            return thought, answer.lstrip("\n")
        kept = 0 if last else _overlap(thought)
        self.held = thought[len(thought) - kept :]
        return thought[: len(thought) - kept], ""


def _rename(said: dict[str, Any]) -> bool:
    if not said.get("reasoning") or said.get("reasoning_content"):
        return False
    said["reasoning_content"] = said["reasoning"]
    return True


def _overlap(text: str) -> int:
    """How many characters at the end of `text` may begin the closing mark."""
    return next((n for n in range(len(CLOSE) - 1, 0, -1) if text.endswith(CLOSE[:n])), 0)
