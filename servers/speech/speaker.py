"""Reads texts aloud, sentence by sentence: which engine, the cache before it, the fallback behind it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Final, NamedTuple

from servers.speech.cache import Key, SentenceCache
from servers.speech.coqui.process import Coqui, coqui_missing
from servers.speech.engine import DEADLINE_S, QUEUE, Espeak, unloading
from servers.speech.neural.files import KokoroFiles
from servers.speech.neural.voice import Kokoro
from servers.speech.sound import SAMPLE_RATE, Sound, silence
from servers.speech.synthesiser import Synthesiser
from servers.speech.text.script import Line, script
from servers.speech.text.sentences import FIRST_CHARS
from servers.speech.voices import COQUI, ESPEAK, KOKORO, NEURAL, VOICES, Engine, Voice, choose
from tools.errors import EngineGone, NotSupported, QueueFull, Unavailable, UpstreamFailed, UpstreamSilent
from tools.log import get_logger
from tools.schema import JsonObject, SpeechSettings, VoiceEngine

log = get_logger("speech")

CROWD: Final = 2
"""With so many sentences before it, `auto` does not wait for the neural voice."""
NEURAL_FIRST_CHARS: Final = 40
"""The first piece of a neural voice is shorter: it is seconds that a listener waits for."""


class Spoken(NamedTuple):
    """A sentence with the pause after it, and who spoke it."""

    sound: Sound
    voice: Voice


class Speaker:
    """Speaks for everybody who asks. What is waited for is bounded by its engines.

    `kokoro` is None where its files are not installed, `coqui` where `coqui_missing` says why; `wanted` is
    the setting `speech.voice_engine`."""

    def __init__(
        self,
        espeak: Espeak,
        kokoro: Kokoro | None = None,
        coqui: Coqui | None = None,
        *,
        wanted: VoiceEngine = "auto",
        coqui_missing: str | None = None,
    ) -> None:
        self.espeak, self.kokoro, self.coqui, self.wanted = espeak, kokoro, coqui, wanted
        self.coqui_missing = coqui_missing
        self.cache = SentenceCache()

    @property
    def waiting(self) -> int:
        """Sentences that wait or are being spoken."""
        return sum(engine.waiting for engine in (self.espeak, self.kokoro, self.coqui) if engine)

    @property
    def preferred(self) -> Engine:
        """The engine that speaks unless a voice of another is named: with `auto` the best that keeps up."""
        if self.wanted == "coqui" and self.coqui is not None:
            return COQUI
        if self.kokoro is None or self.wanted in ("espeak", "coqui"):
            return ESPEAK
        if self.wanted == "kokoro":
            return KOKORO
        if not self.kokoro.keeps_up:
            self.kokoro.measure()
            return ESPEAK
        return KOKORO if self.kokoro.waiting < CROWD else ESPEAK

    def engines(self) -> dict[Engine | str, JsonObject]:
        """What speaks here and what does not, with the reason."""
        neural: JsonObject = {"available": False, "voices": 0, "reason": "not installed: `make voices`"}
        if self.kokoro is not None:
            loaded = self.kokoro.synthesiser.process is not None
            neural = {
                "available": True,
                "voices": len(NEURAL),
                "real_time_factor": self.kokoro.rtf,
                "keeps_up": self.kokoro.keeps_up,
                "loaded": loaded,
            }
        coqui: JsonObject = {"available": False, "voices": 0, "reason": self.coqui_missing}
        if self.coqui is not None:
            loaded = self.coqui.synthesiser.process is not None
            models = dict(self.coqui.models)
            coqui = {"available": True, "voices": len(models), "models": models, "loaded": loaded}
        return {ESPEAK: {"available": True, "voices": len(VOICES)}, KOKORO: neural, COQUI: coqui}

    def choose(self, voice_id: str | None, language: str | None) -> Voice:
        """The voice for a request. Raises `VoiceNotFound`, `BadRequest`, `NotSupported` for one of Coqui's
        where it does not speak."""
        voice = choose(voice_id, language, engine=self.preferred)
        if voice.engine == COQUI:
            self.require_coqui()
        return voice

    def require_coqui(self) -> None:
        """Raises `NotSupported` (501), with the reason, where Coqui's voices do not speak."""
        if self.coqui is None:
            raise NotSupported(self.coqui_missing or "", param="voice", source="speech", code="no_coqui")

    def able(self, voice: Voice) -> Voice:
        """Itself, or who speaks a language for which Coqui has no model."""
        if voice.engine != COQUI or (self.coqui is not None and self.coqui.speaks(voice)):
            return voice
        return voice.by(KOKORO if self.kokoro is not None else ESPEAK)

    def unusable(self, engine: Engine) -> str | None:
        """Why an engine does not speak now; None when it does."""
        return self.engines()[engine].get("reason")

    def read(self, text: str, *, voice: Voice, speed: float = 1.0) -> "Reading":
        """`text` to be read. Raises `BadRequest` (nothing to say), `TooLarge`."""
        return Reading(self, text, voice, speed)

    async def speak(self, text: str, *, voice: Voice, speed: float = 1.0) -> Sound:
        """All of `text`; raises what `read` and `Reading.pieces` raise."""
        return await self.read(text, voice=voice, speed=speed).whole()

    async def say(self, line: Line, *, voice: Voice, speed: float) -> Sound:
        """One line by one voice. Raises what engines raise."""
        # A private voice is known by its recording, where no other owner's lies.
        owned = f"{voice.language} {voice.source} {voice.version}"
        key = Key(owned if voice.private else voice.id, round(speed, 3), line.text)
        if (held := self.cache.get(key)) is not None:
            return held
        engines = {ESPEAK: self.espeak, KOKORO: self.kokoro, COQUI: self.coqui}
        engine = engines[voice.engine] or self.espeak
        sound = await engine.speak(line.text, voice=voice, speed=speed)
        self.cache.put(key, sound)
        return sound


class Reading:
    """One text being read: `voice` speaks it, in its own language, `fallback` says why another went on."""

    def __init__(self, speaker: Speaker, text: str, voice: Voice, speed: float) -> None:
        self.speaker, self.speed = speaker, speed
        self.fallback = speaker.unusable(voice.engine)
        self.voice = voice.by(ESPEAK) if self.fallback else voice
        first = FIRST_CHARS if self.voice.engine == ESPEAK else NEURAL_FIRST_CHARS
        self.lines = script(text, voice.language, first_chars=first)

    async def pieces(self) -> AsyncGenerator[Spoken, None]:
        """Sentence after sentence; the next one is made while this one is sent. Whoever leaves ends it there.

        Raises `QueueFull`, `UpstreamSilent`, `EngineGone`, `UpstreamFailed`, `Unavailable`."""
        following = asyncio.create_task(self._say(next(self.lines)))
        try:
            for line in self.lines:
                spoken = await following
                following = asyncio.create_task(self._say(line))
                yield spoken
            yield await following
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def whole(self) -> Sound:
        """All pieces as one; raises what they raise."""
        async with aclosing(self.pieces()) as pieces:
            return Sound(b"".join([piece.sound.pcm async for piece in pieces]), SAMPLE_RATE)

    async def _say(self, line: Line) -> Spoken:
        voice = self.speaker.able(self.voice.in_language(line.language))
        if not line.text:
            return Spoken(Sound(silence(line.pause_s), SAMPLE_RATE), voice)
        speed = min(max(self.speed * line.rate, 0.25), 4.0)
        try:
            sound = await self.speaker.say(line, voice=voice, speed=speed)
        except (EngineGone, QueueFull, Unavailable, UpstreamFailed, UpstreamSilent) as exc:
            if voice.engine == ESPEAK:
                raise
            # An answer is never mute: who is always here goes on, to the end of this text.
            log.warning("voice_fell_back", engine=voice.engine, code=exc.code, reason=exc.message)
            self.fallback = f"{voice.engine}: {exc.code}"
            self.voice = self.voice.by(ESPEAK)
            voice = voice.by(ESPEAK)
            sound = await self.speaker.say(line, voice=voice, speed=speed)
        return Spoken(Sound(sound.pcm + silence(line.pause_s / speed), SAMPLE_RATE), voice)


@asynccontextmanager
async def open_speaker(
    *,
    queue: int = QUEUE,
    deadline_s: float = DEADLINE_S,
    files: KokoroFiles | None = None,
    settings: SpeechSettings | None = None,
) -> AsyncIterator[Speaker]:
    """A speaker whose voices were all found; Kokoro's where its `files` are complete, loaded when asked.

    Raises `Unavailable` or `VoiceNotFound` at start, not later."""
    settings = settings or SpeechSettings()
    synthesiser = Synthesiser()
    async with AsyncExitStack() as stack:
        # A process ends with the thread that starts it, so that one starts every one of them.
        thread = stack.enter_context(ThreadPoolExecutor(1, "espeak"))
        espeak = Espeak(synthesiser, thread, queue=queue, deadline_s=deadline_s)
        stack.push_async_callback(espeak.close)
        for voice in VOICES:
            await asyncio.get_running_loop().run_in_executor(thread, synthesiser.choose, voice.source)
        kokoro = None
        if files is not None and files.complete:
            kokoro = await stack.enter_async_context(_open_kokoro(files, espeak, settings, deadline_s))
        missing, coqui = coqui_missing(settings), None
        if missing is None:
            models = Coqui(settings, stack.enter_context(ThreadPoolExecutor(1, "coqui")))
            coqui = await stack.enter_async_context(unloading(models, settings.idle_s))
        yield Speaker(espeak, kokoro, coqui, wanted=settings.voice_engine, coqui_missing=missing)


@asynccontextmanager
async def _open_kokoro(
    files: KokoroFiles, espeak: Espeak, settings: SpeechSettings, deadline_s: float
) -> AsyncIterator[Kokoro]:
    with ThreadPoolExecutor(1, "kokoro") as thread:
        kokoro = Kokoro(files, espeak, thread, threads=settings.threads, deadline_s=deadline_s)
        async with unloading(kokoro, settings.idle_s):
            yield kokoro
