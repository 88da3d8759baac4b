"""espeak-ng through ctypes: the one file that touches the C library.

The library keeps global state and is not re-entrant: a process has one `Espeak`, and its lock lets one voice
speak at a time.
"""

import ctypes
import threading
from collections.abc import Callable
from functools import cache

import espeakng_loader

from tools.errors import Unavailable, UpstreamFailed, VoiceNotFound

SYNCHRONOUS = 2
DO_NOT_EXIT = 0x8000
BUFFER_MS = 200
UTF8 = 1
RATE, VOLUME, RANGE, WORD_GAP = 1, 2, 4, 7
# Below full volume the synthesiser never meets its own limiter; loudness is set afterwards, in float.
HEADROOM_VOLUME = 60
SLOWEST, FASTEST = 80, 700

_ON_SOUND = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """Speaks with named voices (`language+variant`) as 16-bit mono samples of `sample_rate` Hz."""

    def __init__(self, library: ctypes.CDLL, sample_rate: int) -> None:
        self.library = library
        self.sample_rate = sample_rate
        self._one_at_a_time = threading.Lock()

    @property
    def version(self) -> str:
        self.library.espeak_Info.restype = ctypes.c_char_p
        return self.library.espeak_Info(None).decode()

    def speak(
        self, text: str, *, voice: str, rate: int, pitch_range: int, stopped: Callable[[], bool]
    ) -> bytes:
        """Samples of `text`; `rate` in words a minute. Ends early, with what it has, once `stopped()`."""
        with self._one_at_a_time:
            return self._speak(text, voice, rate, pitch_range, stopped)

    def choose(self, voice: str) -> None:
        """Make `voice` the current one. Raises `VoiceNotFound` when this library does not carry it."""
        with self._one_at_a_time:
            self._choose(voice)

    def _speak(
        self, text: str, voice: str, rate: int, pitch_range: int, stopped: Callable[[], bool]
    ) -> bytes:
        self._choose(voice)
        settings = {RATE: rate, VOLUME: HEADROOM_VOLUME, RANGE: pitch_range, WORD_GAP: 0}
        for parameter, value in settings.items():
            self.library.espeak_SetParameter(parameter, value, 0)
        sound = bytearray()

        def on_sound(samples: int | None, count: int, _events: int | None) -> int:
            if samples and count:
                sound.extend(ctypes.string_at(samples, count * 2))
            return int(stopped())

        callback = _ON_SOUND(on_sound)
        self.library.espeak_SetSynthCallback(callback)
        raw = text.replace("\0", " ").encode() + b"\0"
        code = self.library.espeak_Synth(raw, ctypes.c_size_t(len(raw)), 0, 0, 0, UTF8, None, None)
        if code != 0:
            raise UpstreamFailed(f"espeak-ng failed with code {code}", source="speech")
        return bytes(sound)

    def _choose(self, voice: str) -> None:
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise VoiceNotFound(f"espeak-ng has no voice {voice}", source="speech")


@cache
def open_espeak() -> Espeak:
    """Load the library of the wheel with its own data, once a process; it lives as long as the process.

    Raises `Unavailable` when it can not start.
    """
    try:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
    except OSError as exc:
        raise Unavailable(f"espeak-ng does not load: {exc}", source="speech") from exc
    data = espeakng_loader.get_data_path().encode()
    sample_rate = library.espeak_Initialize(SYNCHRONOUS, BUFFER_MS, data, DO_NOT_EXIT)
    if sample_rate <= 0:
        raise Unavailable("espeak-ng does not find its data", source="speech")
    return Espeak(library, sample_rate)
