"""Owns the one thread that may touch an engine's process: a bounded queue, a deadline on each job."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from servers.speech.sound import SAMPLE_RATE, Sound, finish
from servers.speech.synthesiser import FASTEST, SLOWEST, Synthesiser
from servers.speech.voices import Voice
from tools.errors import EngineGone, QueueFull, UpstreamSilent

QUEUE: Final = 32
DEADLINE_S: Final = 30.0
WORDS_PER_MINUTE: Final = 165

Stopped = Callable[[], bool]
T = TypeVar("T")


class Engine:
    """Does one job at a time, in order of arrival. A job whose caller left is stopped."""

    def __init__(
        self,
        synthesiser: Synthesiser,
        thread: ThreadPoolExecutor,
        *,
        queue: int = QUEUE,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.synthesiser, self.thread = synthesiser, thread
        self.queue, self.deadline_s = queue, deadline_s
        self.waiting = 0
        self.used_at = time.monotonic()

    async def run(self, work: Callable[[Stopped], T]) -> T:
        """`work` in the engine's thread. Raises `QueueFull`, `UpstreamSilent` (deadline), what it raises."""
        if self.waiting >= self.queue:
            raise QueueFull(
                f"{self.queue} others are waiting for {self.name}", source="speech", retry_after=1
            )
        stopped = threading.Event()
        self.waiting += 1
        try:
            async with asyncio.timeout(self.deadline_s):
                return await asyncio.get_running_loop().run_in_executor(self.thread, work, stopped.is_set)
        except TimeoutError as exc:
            raise UpstreamSilent(
                f"{self.name} did not finish within {self.deadline_s:g} s", source="speech"
            ) from exc
        finally:
            self.waiting -= 1
            self.used_at = time.monotonic()
            stopped.set()

    @property
    def name(self) -> str:
        """Of its program."""
        return self.synthesiser.program.stem

    async def unload_when_idle(self, idle_s: float) -> None:
        """For ever: end the process when it had nothing to do for `idle_s`."""
        while True:
            await asyncio.sleep(min(idle_s, 30.0))
            idle = time.monotonic() - self.used_at
            if self.synthesiser.process is not None and not self.waiting and idle >= idle_s:
                await self.close()

    async def close(self) -> None:
        """End the process."""
        await asyncio.get_running_loop().run_in_executor(self.thread, self.synthesiser.close)


E = TypeVar("E", bound=Engine)


@asynccontextmanager
async def unloading(engine: E, idle_s: float) -> AsyncIterator[E]:
    """`engine`, whose process is unloaded when nobody asks and ends with the block."""
    watch = asyncio.create_task(engine.unload_when_idle(idle_s))
    try:
        yield engine
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await engine.close()


class Espeak(Engine):
    """espeak-ng: milliseconds a sentence, and what others fall back to."""

    async def speak(self, text: str, *, voice: Voice, speed: float = 1.0) -> Sound:
        """One sentence. A process that died meanwhile is replaced and asked once more: nobody hears of it.

        Raises what `run` raises and `EngineGone` when that one died too."""

        def make(stopped: Stopped) -> Sound:
            if stopped():
                return Sound(b"", SAMPLE_RATE)
            rate = round(min(max(WORDS_PER_MINUTE * speed, SLOWEST), FASTEST))
            raw = self.synthesiser.speak(
                text, voice=voice.source, rate=rate, pitch_range=voice.pitch_range, stopped=stopped
            )
            return finish(raw, self.synthesiser.sample_rate)

        try:
            return await self.run(make)
        except EngineGone:
            return await self.run(make)

    async def ipa(self, texts: list[str], *, voice: str) -> list[str]:
        """The phonemes of texts by a voice of espeak-ng; raises what `speak` raises."""

        def ask(_stopped: Stopped) -> list[str]:
            return json.loads(self.synthesiser.ask({"phonemes": texts, "voice": voice}))

        try:
            return await self.run(ask)
        except EngineGone:
            return await self.run(ask)
