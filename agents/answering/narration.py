"""Reads an answer aloud while it is still being written: each sentence goes to the speech server as soon as
it is whole, and its sound is told in a `Progress` of its own, between the tokens.

The answer never fails for its voice: what could not be spoken is told as `unspoken`, with the reason.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Final

from agents.events import LAST, Event, Progress, Token
from agents.grounding.sentences import SentenceBuffer
from agents.stream_parts import Part
from tools.clients.speech import SpeechClient
from tools.errors import Capibara6Error, TooLarge, UpstreamSilent
from tools.schema import Language, Speech
from tools.speak import speak, spoken
from tools.text.language import detect

SPOKEN: Final = "spoken"
"""The stage of an event whose detail is a `Speech` with `n`, counted from 0, and the `text` that it says."""
UNSPOKEN: Final = "unspoken"
"""The stage of an event that says why the rest of an answer has no voice: `code`, `message`."""
MAX_CHARS: Final = 10_000
REST_S: Final = 60.0
"""How long the end of a run waits for sentences that are still being spoken."""
AHEAD: Final = 64
"""Events that wait for a slow reader."""
_WORD: Final = re.compile(r"\w")


async def narrated(
    events: AsyncGenerator[Event | Part, None],
    speech: SpeechClient,
    *,
    language: Language,
    voice: str | None = None,
) -> AsyncGenerator[Event | Part, None]:
    """`events` with the speech of their tokens among them, the last event behind it; `language` is of what
    does not show its own, `voice` the one wished for. Raises what `events` raises. Whoever leaves stops the
    voice."""
    out: asyncio.Queue[Event | Part | None] = asyncio.Queue(AHEAD)
    narration = _Narration(events, partial(speak, speech=speech, voice=voice), language, out)
    writing = asyncio.create_task(narration.run())
    try:
        while (event := await out.get()) is not None:
            yield event
        await writing
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


class _Narration:
    """Two tasks: one passes the events on and collects their sentences, one has these spoken."""

    def __init__(
        self,
        events: AsyncGenerator[Event | Part, None],
        say: Callable[..., Awaitable[Speech]],
        language: Language,
        out: asyncio.Queue[Event | Part | None],
    ) -> None:
        self.events, self.say, self.out = events, say, out
        self.language: Language = language
        self.sentences: asyncio.Queue[str | None] = asyncio.Queue()
        """No more than the answer has."""

    async def run(self) -> None:
        """Until the last event has been passed on; None tells the reader that nothing follows."""
        voice = asyncio.create_task(self._speak())
        try:
            async with aclosing(self.events):
                await self._pass_on(voice)
        finally:
            voice.cancel()
            await asyncio.gather(voice, return_exceptions=True)
            if (task := asyncio.current_task()) is None or not task.cancelling():
                await self.out.put(None)

    async def _pass_on(self, voice: asyncio.Task[None]) -> None:
        buffer = SentenceBuffer()
        async for event in self.events:
            if isinstance(event, Token):
                self._say(buffer.feed(event.text))
            elif isinstance(event, LAST):
                self._say([*buffer.end(), None])
                await self._finish(voice)
            await self.out.put(event)

    def _say(self, sentences: list[str] | list[str | None]) -> None:
        for sentence in sentences:
            self.sentences.put_nowait(sentence)

    async def _finish(self, voice: asyncio.Task[None]) -> None:
        _, late = await asyncio.wait([voice], timeout=REST_S)
        if late:
            voice.cancel()
            await asyncio.gather(voice, return_exceptions=True)
            await self._fail(UpstreamSilent(f"the voice was not done after {REST_S:g} s", source="speech"))

    async def _speak(self) -> None:
        """Sentence after sentence, until one fails: a speech with holes says something else."""
        number, length = 0, 0
        while (sentence := await self.sentences.get()) is not None:
            text = spoken(sentence)
            if not _WORD.search(text):
                continue
            length += len(text)
            try:
                if length > MAX_CHARS:
                    raise TooLarge(f"speech is made of {MAX_CHARS} characters at most", source="speech")
                sound = await self.say(text, language=detect(text, default=self.language))
            except Capibara6Error as exc:
                await self._fail(exc)
                return
            detail = {**sound.model_dump(), "n": number, "text": text}
            await self.out.put(Progress(stage=SPOKEN, detail=detail))
            number += 1

    async def _fail(self, exc: Capibara6Error) -> None:
        detail = {"code": exc.code, "message": exc.message}
        await self.out.put(Progress(stage=UNSPOKEN, detail=detail))
