"""Owns the one thread that may touch the synthesiser: a bounded queue before it, a deadline on each job."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

from servers.speech.sound import Sound, finish
from servers.speech.synthesiser import FASTEST, SLOWEST, Synthesiser
from servers.speech.text import speakable
from servers.speech.voices import VOICES, Voice
from tools.errors import QueueFull, UpstreamSilent

QUEUE = 32
DEADLINE_S = 30.0
WORDS_PER_MINUTE = 165


class Speaker:
    """Speaks one job at a time, in order of arrival. A job whose caller left is skipped or stopped."""

    def __init__(
        self, espeak: Synthesiser, thread: ThreadPoolExecutor, *, queue: int, deadline_s: float
    ) -> None:
        self.espeak = espeak
        self.thread = thread
        self.queue = queue
        self.deadline_s = deadline_s
        self.waiting = 0

    async def speak(self, text: str, *, voice: Voice, speed: float = 1.0) -> Sound:
        """Raises `BadRequest` (nothing to say), `TooLarge`, `QueueFull`, `UpstreamSilent` (deadline), and
        `EngineGone` when the process that speaks died meanwhile: the next text is spoken by another."""
        clean = speakable(text, voice.language)
        if self.waiting >= self.queue:
            raise QueueFull(f"{self.queue} texts are waiting to be spoken", source="speech", retry_after=1)
        stopped = threading.Event()
        self.waiting += 1
        try:
            async with asyncio.timeout(self.deadline_s):
                return await asyncio.get_running_loop().run_in_executor(
                    self.thread, self._speak, clean, voice, speed, stopped
                )
        except TimeoutError as exc:
            raise UpstreamSilent(
                f"the voice did not finish within {self.deadline_s:g} s", source="speech"
            ) from exc
        finally:
            self.waiting -= 1
            stopped.set()

    def _speak(self, text: str, voice: Voice, speed: float, stopped: threading.Event) -> Sound:
        if stopped.is_set():
            return Sound(b"", self.espeak.sample_rate)
        rate = round(min(max(WORDS_PER_MINUTE * speed, SLOWEST), FASTEST))
        raw = self.espeak.speak(
            text, voice=voice.espeak, rate=rate, pitch_range=voice.pitch_range, stopped=stopped.is_set
        )
        return finish(raw, self.espeak.sample_rate)


@asynccontextmanager
async def open_speaker(*, queue: int = QUEUE, deadline_s: float = DEADLINE_S) -> AsyncIterator[Speaker]:
    """A speaker whose voices were all found. Raises `Unavailable` or `VoiceNotFound` at start, not later."""
    espeak = Synthesiser()
    with ThreadPoolExecutor(1, "espeak") as thread:
        # The process ends with the thread that starts it, so that one starts every one of them.
        within = partial(asyncio.get_running_loop().run_in_executor, thread)
        try:
            for voice in VOICES:
                await within(espeak.choose, voice.espeak)
            yield Speaker(espeak, thread, queue=queue, deadline_s=deadline_s)
        finally:
            await within(espeak.close)
