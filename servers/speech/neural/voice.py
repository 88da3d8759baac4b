"""Kokoro as an engine: loaded when it is first asked, measured, unloaded when nobody asks."""

import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from servers.speech.engine import Engine, Espeak, Stopped
from servers.speech.neural.files import KokoroFiles
from servers.speech.neural.phonemes import VOICES, clauses, numbered, phonemes
from servers.speech.sound import SAMPLE_RATE, Sound, finish
from servers.speech.synthesiser import Synthesiser
from servers.speech.voices import KOKORO, Voice, choose
from tools.errors import Capibara6Error
from tools.log import get_logger

log = get_logger("speech")

PROGRAM: Final = Path(__file__).with_name("kokoro.py")
QUEUE: Final = 8
KEEPS_UP: Final = 0.9
"""Seconds of work for a second of speech, at most, so that a listener does not wait between sentences."""
MEASURE_AGAIN_S: Final = 600.0
PROBE: Final = "El servidor puede tener cargados hasta tres modelos a la vez."


class Kokoro(Engine):
    """`rtf` is seconds of work for a second of speech: measured once and kept, then followed."""

    def __init__(
        self,
        files: KokoroFiles,
        espeak: Espeak,
        thread: ThreadPoolExecutor,
        *,
        threads: int,
        deadline_s: float,
    ) -> None:
        arguments = (str(files.model), str(files.folder), str(threads))
        super().__init__(Synthesiser(PROGRAM, arguments), thread, queue=QUEUE, deadline_s=deadline_s)
        self.files, self.espeak = files, espeak
        self.machine = f"{os.cpu_count()} cores, {threads} threads"
        self.measured_at: float | None = None
        self.measuring: asyncio.Task[None] | None = None
        self.rtf = self._remembered()

    @property
    def keeps_up(self) -> bool:
        """Whether it speaks faster than people listen, as far as is known."""
        return self.rtf is not None and self.rtf <= KEEPS_UP

    async def speak(self, text: str, *, voice: Voice, speed: float = 1.0) -> Sound:
        """One sentence. Raises what `run` raises, `EngineGone` when the process died, `UpstreamFailed`."""
        parts = clauses(text)
        spoken = await self.espeak.ipa(parts, voice=VOICES[voice.region])
        ids = numbered(phonemes(parts, spoken, voice.language))
        job = {"ids": ids, "style": voice.source, "speed": speed}

        def make(stopped: Stopped) -> Sound:
            if stopped() or not ids:
                return Sound(b"", SAMPLE_RATE)
            self.synthesiser.start()
            began = time.monotonic()
            # A sentence is finished once begun: to stop in it would cost the next caller the model's loading.
            raw = self.synthesiser.ask(job, lambda: time.monotonic() - began > self.deadline_s)
            self._note(time.monotonic() - began, len(raw) / 2 / self.synthesiser.sample_rate)
            return finish(raw, self.synthesiser.sample_rate)

        return await self.run(make)

    def measure(self) -> None:
        """Begin to measure, in the background, unless that was done lately."""
        lately = self.measured_at is not None and time.monotonic() - self.measured_at < MEASURE_AGAIN_S
        if lately or (self.measuring is not None and not self.measuring.done()):
            return
        self.measuring = asyncio.create_task(self._measure())

    async def close(self) -> None:
        """End the process, and what measures it."""
        if self.measuring is not None:
            self.measuring.cancel()
            await asyncio.gather(self.measuring, return_exceptions=True)
        await super().close()

    async def _measure(self) -> None:
        self.measured_at = time.monotonic()
        voice = choose(None, "es", engine=KOKORO)
        try:
            await self.speak("Uno.", voice=voice)  # Loading, and the first run, tell nothing.
            self.rtf = None
            await self.speak(PROBE, voice=voice)
            note = json.dumps({"machine": self.machine, "rtf": self.rtf})
            await asyncio.to_thread((self.files.folder / "measured.json").write_text, note, "utf-8")
        except (Capibara6Error, OSError) as exc:
            log.warning("voice_not_measured", reason=str(exc))

    def _note(self, seconds: float, spoken_s: float) -> None:
        if spoken_s > 0.5:
            rtf = seconds / spoken_s
            self.rtf = round(rtf if self.rtf is None else 0.8 * self.rtf + 0.2 * rtf, 3)

    def _remembered(self) -> float | None:
        try:
            note = json.loads((self.files.folder / "measured.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return note.get("rtf") if note.get("machine") == self.machine else None
