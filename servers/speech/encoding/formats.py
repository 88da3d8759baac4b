"""The formats of an answer, and an encoder for each that gives out bytes as soon as it has them.

`open_encoder(format)` → `write(pcm)` for each piece, then `close()`; both return bytes to send on. Samples
are 16-bit mono, little endian, at `SAMPLE_RATE`. WAV and FLAC of unknown length say so in their header, as
their formats provide (WAV by sizes of 2^32-1, FLAC by a length of 0).
"""

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, Protocol, cast, get_args

import soundfile

from servers.speech.sound import SAMPLE_RATE, wav_header
from tools.errors import EngineGone, NotSupported

Format = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
TYPES: Final[dict[Format, str]] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg; codecs=opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
AAC_PROGRAM = Path(__file__).with_name("aac.py")
DRAIN_S = 0.02
"""How long AAC's program is waited for before its bytes go with the next piece instead."""
# Of libsndfile: 0 best to 1 smallest. .6 is MP3 at 64 kbit/s, constant, so that players know the length.
MP3_LEVEL = 0.6


class Encoder(Protocol):
    """Bytes of a file, as they come."""

    async def write(self, pcm: bytes) -> bytes:
        """What there is after these samples."""
        ...

    async def close(self) -> bytes:
        """The rest."""
        ...


class Plain:
    """PCM, or WAV of unknown length."""

    def __init__(self, header: bytes = b"") -> None:
        self.header = header

    async def write(self, pcm: bytes) -> bytes:
        """The samples, after the header the first time."""
        header, self.header = self.header, b""
        return header + pcm

    async def close(self) -> bytes:
        """The header of a file without samples."""
        header, self.header = self.header, b""
        return header


class Sink:
    """A file that libsndfile writes and that is sent on as it grows: what was sent is not written again."""

    def __init__(self) -> None:
        self.fresh, self.place, self.end = bytearray(), 0, 0

    def write(self, data: bytes) -> int:
        """At the end it grows; before it, a header is corrected that has left already."""
        if self.place == self.end:
            self.fresh += data
            self.end += len(data)
        self.place += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of a file."""
        self.place = offset + (0, self.place, self.end)[whence]
        return self.place

    def tell(self) -> int:
        """As of a file."""
        return self.place

    def read(self, _count: int = -1) -> bytes:
        """Nothing: it is only written."""
        return b""

    def take(self) -> bytes:
        """What has been written since the last time."""
        fresh, self.fresh = bytes(self.fresh), bytearray()
        return fresh


class Sndfile:
    """MP3, FLAC and Ogg Opus by libsndfile."""

    def __init__(self, container: str, subtype: str, **options: Any) -> None:
        self.sink = Sink()
        self.file = soundfile.SoundFile(
            cast(BinaryIO, self.sink), "w", SAMPLE_RATE, 1, subtype=subtype, format=container, **options
        )

    async def write(self, pcm: bytes) -> bytes:
        """Encoded in a thread: a sentence costs milliseconds of CPU."""
        await asyncio.to_thread(self.file.buffer_write, pcm, "int16")
        return self.sink.take()

    async def close(self) -> bytes:
        """The last frames."""
        await asyncio.to_thread(self.file.close)
        return self.sink.take()


class Aac:
    """A process of `aac.py`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self.input, self.output = process, process.stdin, process.stdout
        self.reading = asyncio.create_task(self._read())
        self.fresh = bytearray()

    async def write(self, pcm: bytes) -> bytes:
        """What came out so far. Raises `EngineGone` when the process ended."""
        try:
            self.input.write(pcm)
            await self.input.drain()
        except OSError as exc:
            raise _gone() from exc
        await asyncio.wait([self.reading], timeout=DRAIN_S)
        return self._take()

    async def close(self) -> bytes:
        """The rest. Raises `EngineGone` when the process failed."""
        self.input.close()
        await self.reading
        if await self.process.wait() != 0:
            raise _gone()
        return self._take()

    async def end(self) -> None:
        """End the process, finished or not."""
        if self.process.returncode is None:
            self.process.kill()
        await asyncio.gather(self.reading, return_exceptions=True)
        await self.process.wait()

    async def _read(self) -> None:
        while part := await self.output.read(65_536):
            self.fresh += part

    def _take(self) -> bytes:
        fresh, self.fresh = bytes(self.fresh), bytearray()
        return fresh


def aac_missing() -> str | None:
    """Why AAC can not be written here; None when it can."""
    if importlib.util.find_spec("av") is None:
        return (
            "AAC needs the package av: `make voices` installs it; mp3, opus, flac, wav and pcm need nothing"
        )
    return None


def check(name: Format) -> None:
    """Raises `NotSupported` (501), with the way to get it, for a format that is not installed."""
    if name == "aac" and (reason := aac_missing()):
        raise NotSupported(reason, param="response_format", source="speech", code="format_not_installed")


@asynccontextmanager
async def open_encoder(name: Format) -> AsyncIterator[Encoder]:
    """An encoder for one answer. Raises `NotSupported`."""
    check(name)
    match name:
        case "pcm":
            yield Plain()
        case "wav":
            yield Plain(wav_header(None))
        case "mp3":
            yield Sndfile("MP3", "MPEG_LAYER_III", compression_level=MP3_LEVEL, bitrate_mode="CONSTANT")
        case "flac":
            yield Sndfile("FLAC", "PCM_16")
        case "opus":
            yield Sndfile("OGG", "OPUS")
        case "aac":
            command = [sys.executable, "-I", str(AAC_PROGRAM), str(SAMPLE_RATE)]
            pipe = asyncio.subprocess.PIPE
            encoder = Aac(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe))
            try:
                yield encoder
            finally:
                await encoder.end()


def _gone() -> EngineGone:
    return EngineGone("the process that writes AAC has ended; ask again", source="speech", retry_after=1)
