"""Owns a process that speaks or listens, in the frames of `pipe.py`: starts, asks and ends it, replaces one
that died.

It is not thread-safe: one thread calls it, and lives as long as the process, which the kernel ends with it.
"""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from servers.speech.pipe import HEADER
from tools.errors import EngineGone, Unavailable, UpstreamFailed, VoiceNotFound
from tools.schema import JsonObject

PROGRAM = Path(__file__).with_name("espeak.py")
SLOWEST, FASTEST = 80, 700
START_S = 20.0
GRACE_S = 1.0
"""How long a job that was told to stop may take to do so."""
POLL_MS = 50


class Synthesiser:
    """Speaks with named voices (espeak-ng's: `language+variant`) as 16-bit mono samples of `sample_rate` Hz.

    `program` says hello, takes jobs and sends samples in the frames of `pipe.py`; it may need a `python` of
    another environment and `start_s` seconds to load. `hello` is what it said of itself."""

    def __init__(
        self,
        program: Path = PROGRAM,
        arguments: Sequence[str] = (),
        *,
        python: str = sys.executable,
        environment: Mapping[str, str] = MappingProxyType({}),
        start_s: float = START_S,
    ) -> None:
        self.program, self.arguments, self.start_s = program, arguments, start_s
        self.python, self.environment = python, environment
        self.hello: JsonObject = {}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process unless it runs. Raises `Unavailable` when it can not speak."""
        if self.process is not None and self.process.poll() is None:
            return
        self.close()
        command = [self.python, "-I", str(self.program), *self.arguments]
        # In a session of its own: signals are the server's to handle, which finishes what it was asked.
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            env={**os.environ, **self.environment},
        )
        until = time.monotonic() + self.start_s
        try:
            kind, body = next(_frames(self.process, lambda: time.monotonic() > until))
        except EngineGone as exc:
            self.close()
            raise Unavailable(f"{self.program.stem} does not start", source="speech") from exc
        if kind != b"H":
            self.close()
            raise Unavailable(body.decode(), source="speech")
        self.hello = json.loads(body)

    @property
    def sample_rate(self) -> int:
        """In Hz; 0 before it has been started."""
        return self.hello.get("sample_rate", 0)

    @property
    def version(self) -> str:
        """Of the library that speaks; empty before it has been started."""
        return self.hello.get("version", "")

    def speak(
        self, text: str, *, voice: str, rate: int, pitch_range: int, stopped: Callable[[], bool]
    ) -> bytes:
        """Samples of `text` (at most 10,000 characters); `rate` in words a minute, `pitch_range` 0-100. Ends
        early, with what it has, once `stopped()`.

        Raises `EngineGone` when the process died or does not stop (the next call starts another),
        `VoiceNotFound`, `UpstreamFailed` when the library fails, `Unavailable` when it does not start.
        """
        job = {"text": text, "voice": voice, "rate": rate, "pitch_range": pitch_range}
        return self.ask(job, stopped)

    def ask(self, job: JsonObject, stopped: Callable[[], bool] = lambda: False) -> bytes:
        """What the process sends for one job of its kind; raises what `speak` raises."""
        self.start()
        assert self.process is not None
        try:
            # It fits into the pipe: this never waits for a process that does not read.
            _send(self.process, b"J", json.dumps(job, ensure_ascii=False).encode("utf-8", "replace"))
            return self._heard(self.process, stopped)
        except EngineGone:
            self.close()
            raise

    def choose(self, voice: str) -> None:
        """Raises `VoiceNotFound` when the library does not carry `voice`, and what `speak` raises."""
        self.speak("", voice=voice, rate=SLOWEST, pitch_range=0, stopped=lambda: False)

    def close(self) -> None:
        """End the process, if any, and reap it."""
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()  # It holds nothing that it would have to put away.
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _heard(self, process: subprocess.Popen[bytes], stopped: Callable[[], bool]) -> bytes:
        sound = bytearray()
        for kind, body in _frames(process, _Stop(process, stopped)):
            match kind:
                case b"S":
                    sound += body
                case b".":
                    return bytes(sound)
                case b"V":
                    raise VoiceNotFound(body.decode(), source="speech")
                case _:
                    raise UpstreamFailed(body.decode(), source="speech")
        raise AssertionError("frames end with an error")


class _Stop:
    """Tells the process to stop once its caller left; true when it had its grace."""

    def __init__(self, process: subprocess.Popen[bytes], stopped: Callable[[], bool]) -> None:
        self.process = process
        self.stopped = stopped
        self.told_at: float | None = None

    def __call__(self) -> bool:
        if self.told_at is None and self.stopped():
            self.told_at = time.monotonic()
            _send(self.process, b"X")
        return self.told_at is not None and time.monotonic() - self.told_at > GRACE_S


def _send(process: subprocess.Popen[bytes], kind: bytes, body: bytes = b"") -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(HEADER.pack(kind, len(body)) + body)
    except OSError as exc:
        raise _gone() from exc


def _frames(process: subprocess.Popen[bytes], given_up: Callable[[], bool]) -> Iterator[tuple[bytes, bytes]]:
    """What the process says, kind and body. Raises `EngineGone` at its end and once `given_up()`."""
    assert process.stdout is not None
    place, waiting, held = process.stdout.fileno(), select.poll(), bytearray()
    waiting.register(place, select.POLLIN)
    while not given_up():
        if waiting.poll(POLL_MS):
            part = os.read(place, 65_536)
            if not part:
                break
            held += part
        while len(held) >= HEADER.size:
            kind, length = HEADER.unpack_from(held)
            end = HEADER.size + length
            if len(held) < end:
                break
            body = bytes(held[HEADER.size : end])
            del held[:end]
            yield kind, body
    raise _gone()


def _gone() -> EngineGone:
    return EngineGone("the process that speaks has ended; ask again", source="speech", retry_after=1)
