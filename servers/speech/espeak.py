"""espeak-ng through ctypes: a program of its own, and the only code that touches the GPL library.

Run as `python -I espeak.py` by `synthesiser.py`: jobs come by standard input, samples go by standard output,
and the end of the input ends it. It imports nothing of this project but the frames of `pipe.py`, so that
nothing else here is linked with it.

A job is JSON `{text, voice, rate, pitch_range}`, or `{phonemes, voice}` for the IPA of some texts.
"""

import contextlib
import ctypes
import json
import sys
from typing import Any

import espeakng_loader

from servers.speech.pipe import Pipe, open_pipe

SYNCHRONOUS = 2
DO_NOT_EXIT = 0x8000
BUFFER_MS = 200
UTF8 = 1
IPA = 2
RATE, VOLUME, RANGE, WORD_GAP = 1, 2, 4, 7
# Below full volume the synthesiser never meets its own limiter; loudness is set afterwards, in float.
HEADROOM_VOLUME = 60

_ON_SOUND = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def serve(library: ctypes.CDLL, pipe: Pipe) -> None:
    """Do one job after another until the input ends. A stop that comes after its job's end is no job."""
    while (frame := pipe.receive()) is not None:
        kind, body = frame
        if kind == b"J":
            pipe.send(*speak(library, json.loads(body), pipe))


def speak(library: ctypes.CDLL, job: dict[str, Any], pipe: Pipe) -> tuple[bytes, bytes]:
    """Send the samples of one job as they come; the frame that ends it. No text: only the voice is chosen."""
    if library.espeak_SetVoiceByName(job["voice"].encode()) != 0:
        return b"V", f"espeak-ng has no voice {job['voice']}".encode()
    if "phonemes" in job:
        pipe.send(b"S", json.dumps([ipa(library, text) for text in job["phonemes"]]).encode())
        return b".", b""
    if not job["text"]:
        return b".", b""
    settings = {RATE: job["rate"], VOLUME: HEADROOM_VOLUME, RANGE: job["pitch_range"], WORD_GAP: 0}
    for parameter, value in settings.items():
        library.espeak_SetParameter(parameter, value, 0)
    # The breath in a voice is C's random noise: the same text gives the same samples.
    ctypes.CDLL(None).srand(1)

    def on_sound(samples: int | None, count: int, _events: int | None) -> int:
        if pipe.waiting():
            return 1
        if samples and count:
            with contextlib.suppress(BrokenPipeError):  # The input has ended too: the next call stops.
                pipe.send(b"S", ctypes.string_at(samples, count * 2))
        return 0

    callback = _ON_SOUND(on_sound)
    library.espeak_SetSynthCallback(callback)
    raw = job["text"].replace("\0", " ").encode() + b"\0"
    code = library.espeak_Synth(raw, ctypes.c_size_t(len(raw)), 0, 0, 0, UTF8, None, None)
    return (b".", b"") if code == 0 else (b"F", f"espeak-ng failed with code {code}".encode())


def ipa(library: ctypes.CDLL, text: str) -> str:
    """The phonemes of a text by the chosen voice."""
    place = ctypes.c_char_p(text.replace("\0", " ").encode())
    found: list[str] = []
    while place.value:
        spoken = library.espeak_TextToPhonemes(ctypes.byref(place), UTF8, IPA)
        found.append((spoken or b"").decode("utf-8", "replace"))
    return " ".join(found)


def load() -> tuple[ctypes.CDLL, int]:
    """The library of the wheel with its own data, and its sample rate in Hz. Raises `OSError`."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = espeakng_loader.get_data_path().encode()
    sample_rate = library.espeak_Initialize(SYNCHRONOUS, BUFFER_MS, data, DO_NOT_EXIT)
    if sample_rate <= 0:
        raise OSError("espeak-ng does not find its data")
    library.espeak_Info.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    return library, sample_rate


def main() -> int:
    """Say hello, then serve. The status is 1 when the library does not load."""
    pipe = open_pipe()
    try:
        library, sample_rate = load()
    except (OSError, RuntimeError) as exc:
        pipe.send(b"F", f"espeak-ng does not load: {exc}".encode())
        return 1
    hello = {"sample_rate": sample_rate, "version": library.espeak_Info(None).decode()}
    try:
        pipe.send(b"H", json.dumps(hello).encode())
        serve(library, pipe)
    except BrokenPipeError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
