"""Keeps what a model thinks aloud (`<think>…</think>`) apart from what it says, while it streams. Pure."""

import re
from typing import NamedTuple

_OPEN = re.compile(r"<(?:think|thinking|reasoning)>\s*", re.IGNORECASE)
_CLOSE = re.compile(r"</(?:think|thinking|reasoning)>\s*", re.IGNORECASE)
_LONGEST = len("</reasoning>")


class Part(NamedTuple):
    """A piece of a stream: what is `said`, what is `thought`."""

    said: str = ""
    thought: str = ""


class ReasoningSplitter:
    """Takes pieces of a model's text; a mark that is cut in two stays back until it is whole.

    Thinking begins a reply: the same marks further on are text, as an answer about them may quote them."""

    def __init__(self) -> None:
        self.pending = ""
        self.thinking = False
        self.spoken = self.thought = False

    def feed(self, piece: str) -> Part:
        """What is certain by now."""
        self.pending += piece
        if self.thinking:
            return self._think()
        if self.spoken:
            return self._rest()
        opened = _OPEN.match(self.pending.lstrip())
        if opened:
            self.pending, self.thinking = self.pending.lstrip()[opened.end() :], True
            return self._think()
        bare = self.pending.lstrip().lower()
        if any(mark.startswith(bare) for mark in ("<think>", "<thinking>", "<reasoning>")):
            return Part()
        self.spoken = True
        if self.thought:
            self.pending = self.pending.lstrip()
        return self._rest()

    def end(self) -> Part:
        """What was held back, once no more comes."""
        rest, self.pending = self.pending, ""
        return Part(thought=rest) if self.thinking else Part(said=rest)

    def _rest(self) -> Part:
        said, self.pending = self.pending, ""
        return Part(said=said)

    def _think(self) -> Part:
        closed = _CLOSE.search(self.pending)
        if closed:
            thought, rest = self.pending[: closed.start()], self.pending[closed.end() :]
            self.pending, self.thinking, self.thought, self.spoken = "", False, True, bool(rest)
            return Part(said=rest, thought=thought)
        at = self.pending.rfind("<", max(0, len(self.pending) - _LONGEST))
        cut = at if at >= 0 else len(self.pending)
        thought, self.pending = self.pending[:cut], self.pending[cut:]
        return Part(thought=thought)
