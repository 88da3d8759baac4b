"""Lets the model speak: text that is safe to show goes out as it comes, citations as they are first used."""

import re
from dataclasses import dataclass, replace
from typing import Any

from langgraph.runtime import Runtime

from agents.answering.citations import used
from agents.answering.model import Said, listen
from agents.answering.sanitizer import Guard, links_in
from agents.context import Context
from agents.conversation.state import Message
from agents.events import Cited, Token
from tools.errors import BadRequest, NotSupported
from tools.schema import Citation


@dataclass(frozen=True)
class Speech:
    """What the model is given to speak from."""

    prompt: list[Message]
    sources: list[Citation]
    model: str
    tools: list[dict[str, Any]]


async def speak_up(speech: Speech, runtime: Runtime[Context]) -> Said:
    """What the model says, guarded. One that refuses to be offered tools is asked again without."""
    try:
        return await _speak(speech, runtime)
    except (BadRequest, NotSupported):
        if not speech.tools:
            raise
        return await _speak(replace(speech, tools=[]), runtime)


async def _speak(speech: Speech, runtime: Runtime[Context]) -> Said:
    known, announced = {source.n: source for source in speech.sources}, set[int]()
    guard, shown, said = Guard(known, _links(speech)), "", Said()
    options = {**runtime.context.wishes.options, **({"tools": speech.tools} if speech.tools else {})}
    pool = runtime.context.clients.pool

    def show(text: str) -> None:
        nonlocal shown
        if not text:
            return
        shown += text
        runtime.stream_writer(Token(text=text))
        for n in used(text):
            if n in known and n not in announced:
                announced.add(n)
                runtime.stream_writer(Cited(citation=known[n]))

    async for heard in listen(pool, speech.prompt, model=speech.model, **options):
        if isinstance(heard, Said):
            said = heard
        else:
            show(guard.feed(heard))
    show(guard.end())
    return replace(said, text=shown)


def read_out(text: str, sources: list[Citation], runtime: Runtime[Context]) -> str:
    """Tell a text that no model streamed, word by word, guarded as a model's would be."""
    known = {source.n: source for source in sources}
    links = links_in(f"{source.source} {source.text}" for source in sources)
    guard, shown, announced = Guard(known, links), "", set[int]()
    for piece in [*re.findall(r"\S+\s*|\s+", text), ""]:
        safe = guard.feed(piece) if piece else guard.end()
        if not safe:
            continue
        shown += safe
        runtime.stream_writer(Token(text=safe))
        for n in used(shown):
            if n in known and n not in announced:
                announced.add(n)
                runtime.stream_writer(Cited(citation=known[n]))
    return shown


def _links(speech: Speech) -> set[str]:
    """Addresses that the sources or the conversation wrote; the model may repeat no other."""
    own = [str(message.get("content") or "") for message in speech.prompt if message["role"] == "user"]
    return links_in([*own, *(f"{source.source} {source.text}" for source in speech.sources)])
