"""Tells an answer to the reader: sanitized text as it comes, each citation as it is first used.

What is safe to show is `sanitizer`'s business, what a sentence rests on `grounding`'s.
"""

from collections.abc import Iterable, Sequence

from langgraph.runtime import Runtime

from agents.answering.sanitizer import Sanitizer, links_in, tags_in
from agents.context import Context
from agents.conversation.state import Message
from agents.events import Cited, Token
from agents.grounding.citations import used
from tools.schema import Citation


class Display:
    """Tells sanitized text as `Token` events and each passage once as `Cited`; `shown` is all of it."""

    def __init__(
        self, prompt: Iterable[Message], sources: Sequence[Citation], runtime: Runtime[Context]
    ) -> None:
        self.sources = {source.n: source for source in sources}
        known = known_texts(prompt, sources)
        self.sanitizer = Sanitizer(self.sources, links_in(known), tags_in(known))
        self.write = runtime.stream_writer
        self.announced: set[int] = set()
        self.shown = ""

    def feed(self, piece: str) -> None:
        """Show what of the text so far is safe and complete."""
        self.show(self.sanitizer.feed(piece))

    def end(self) -> str:
        """Show the rest; all that was shown."""
        self.show(self.sanitizer.end())
        return self.shown

    def show(self, text: str) -> None:
        """Show text that is sanitized already."""
        if not text:
            return
        self.shown += text
        self.write(Token(text=text))
        for n in used(text):
            if n in self.sources and n not in self.announced:
                self.announced.add(n)
                self.write(Cited(citation=self.sources[n]))


def stream_text(text: str, sources: Sequence[Citation], runtime: Runtime[Context]) -> str:
    """Tell a text that is whole at once, sanitized as a model's would be; what was shown."""
    display = Display([], sources, runtime)
    display.show(display.sanitizer.feed(text) + display.sanitizer.end())
    return display.shown


def known_texts(prompt: Iterable[Message], sources: Iterable[Citation]) -> list[str]:
    """What the sources and the user wrote; of addresses and markup the model may repeat no other."""
    own = [str(message.get("content") or "") for message in prompt if message["role"] == "user"]
    return [*own, *(f"{source.source} {source.text}" for source in sources)]
