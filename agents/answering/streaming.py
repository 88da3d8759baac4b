"""Streams an answer to the reader: sanitized text as it comes, each citation as it is first used.

What a model says is `model`'s, what is safe to show `sanitizer`'s.
"""

import re
from dataclasses import dataclass, replace

from langgraph.runtime import Runtime

from agents.answering.citations import used
from agents.answering.model import ModelReply, stream_reply
from agents.answering.sanitizer import Sanitizer, links_in
from agents.context import Context
from agents.conversation.state import Message
from agents.events import Cited, Token
from tools.errors import BadRequest, NotSupported
from tools.schema import Citation, JsonObject


@dataclass(frozen=True)
class AnswerRequest:
    """What a model answers from: the prompt, the passages it may cite, the tools it is offered (schemas)."""

    prompt: list[Message]
    sources: list[Citation]
    model: str
    tools: list[JsonObject]


class _Display:
    """Tells sanitized text as `Token` events and each passage once as `Cited`; `shown` is all of it."""

    def __init__(self, sources: list[Citation], links: set[str], runtime: Runtime[Context]) -> None:
        self.sources = {source.n: source for source in sources}
        self.sanitizer = Sanitizer(self.sources, links)
        self.write = runtime.stream_writer
        self.announced: set[int] = set()
        self.shown = ""

    def feed(self, piece: str) -> None:
        self._show(self.sanitizer.feed(piece))

    def end(self) -> str:
        self._show(self.sanitizer.end())
        return self.shown

    def _show(self, text: str) -> None:
        if not text:
            return
        self.shown += text
        self.write(Token(text=text))
        for n in used(text):
            if n in self.sources and n not in self.announced:
                self.announced.add(n)
                self.write(Cited(citation=self.sources[n]))


async def stream_answer(request: AnswerRequest, runtime: Runtime[Context]) -> ModelReply:
    """The model's reply as it was shown. A model that refuses to be offered tools is asked again without."""
    try:
        return await _stream(request, runtime)
    except (BadRequest, NotSupported):
        if not request.tools:
            raise
        return await _stream(replace(request, tools=[]), runtime)


async def _stream(request: AnswerRequest, runtime: Runtime[Context]) -> ModelReply:
    display, reply = _Display(request.sources, _links(request), runtime), ModelReply()
    options = {**runtime.context.config.options, **({"tools": request.tools} if request.tools else {})}
    pool = runtime.context.clients.pool
    async for item in stream_reply(pool, request.prompt, model=request.model, **options):
        if isinstance(item, ModelReply):
            reply = item
        else:
            display.feed(item)
    return replace(reply, text=display.end())


def stream_text(text: str, sources: list[Citation], runtime: Runtime[Context]) -> str:
    """Tell a text that no model streamed, word by word, sanitized as a model's would be; what was shown."""
    display = _Display(sources, links_in(f"{source.source} {source.text}" for source in sources), runtime)
    for piece in re.findall(r"\S+\s*|\s+", text):
        display.feed(piece)
    return display.end()


def _links(request: AnswerRequest) -> set[str]:
    """Addresses that the sources or the conversation wrote; the model may repeat no other."""
    own = [str(message.get("content") or "") for message in request.prompt if message["role"] == "user"]
    return links_in([*own, *(f"{source.source} {source.text}" for source in request.sources)])
