"""Voices that people recorded to be cloned: checked by content, with consent, kept for their owner alone.

A recording is written anew, as 16-bit mono WAV at 24 kHz: nothing of the file that came is kept. Folders are
named after digests of tenant and user, files after the voice's name, which is checked.
"""

import hashlib
import io
import json
import re
import time
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import soundfile

from servers.speech.sound import FULL_SCALE, SAMPLE_RATE, Sound, loudness, resample
from servers.speech.voices import COQUI, Voice
from tools.access.identity import Principal
from tools.errors import BadRequest, Conflict, VoiceNotFound

SHORTEST_S, LONGEST_S = 3.0, 60.0
QUIETEST_DBFS: Final = -45.0
RATES: Final = (8_000, 192_000)
MAX_BYTES: Final = 24 * 2**20
"""A minute of stereo at 192 kHz and 16 bit."""
MAX_VOICES: Final = 20
"""Of one owner."""
PREFIX: Final = "voice_"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class ClonedVoice(NamedTuple):
    """`consent_by` is the user who said that the speaker agrees; times in seconds since 1970."""

    id: str
    name: str
    created_at: int
    duration_s: float
    consent_by: str


class Recordings:
    """The recordings below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, by: Principal, name: str, recording: bytes, *, consent: bool) -> ClonedVoice:
        """Keep a recording. Raises `BadRequest` (name, consent, sound), `Conflict` (name taken, too many)."""
        if not consent:
            raise _refused("consent", "say consent=true when whoever speaks has agreed to be cloned")
        path = self._path(by, name)
        if path.exists():
            raise Conflict(f"there is a voice {name!r} already", param="name", source="speech")
        if len(self.list(by)) >= MAX_VOICES:
            raise Conflict(
                f"an owner has {MAX_VOICES} voices at most", source="speech", code="too_many_voices"
            )
        sound = checked(recording)
        voice = ClonedVoice(PREFIX + name, name, int(time.time()), round(sound.duration_s, 2), by.user)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(sound.wav())
        path.with_suffix(".json").write_text(json.dumps(voice._asdict()), "utf-8")
        return voice

    def list(self, by: Principal) -> list[ClonedVoice]:
        """An owner's voices, by name."""
        notes = sorted(self._folder(by).glob("*.json"))
        return [ClonedVoice(**json.loads(note.read_text("utf-8"))) for note in notes]

    def find(self, by: Principal, voice_id: str) -> Voice:
        """An owner's voice, in Spanish until a text says otherwise. Raises `VoiceNotFound`."""
        path = self._existing(by, voice_id)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        name = voice_id.removeprefix(PREFIX)
        return Voice(voice_id, name, "es", "", "female", str(path), COQUI, private=True, version=digest)

    def remove(self, by: Principal, voice_id: str) -> None:
        """Forget a voice, recording and consent. Raises `VoiceNotFound`."""
        path = self._existing(by, voice_id)
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink()

    def _existing(self, by: Principal, voice_id: str) -> Path:
        name = voice_id.removeprefix(PREFIX)
        path = self._folder(by) / f"{name}.wav"
        if not voice_id.startswith(PREFIX) or not _NAME.fullmatch(name) or not path.is_file():
            raise VoiceNotFound(f"no voice {voice_id[:64]!r} of yours", param="voice", source="speech")
        return path

    def _path(self, by: Principal, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise _refused("name", "small letters, digits, - and _, 40 at most")
        return self._folder(by) / f"{name}.wav"

    def _folder(self, by: Principal) -> Path:
        tenant, user = (hashlib.sha256(part.encode()).hexdigest()[:32] for part in (by.tenant, by.user))
        return self.folder / tenant / user


def checked(recording: bytes) -> Sound:
    """A WAV as mono samples at `SAMPLE_RATE`. Raises `BadRequest` for what is no speech of `SHORTEST_S` to
    `LONGEST_S` seconds."""
    try:
        with soundfile.SoundFile(io.BytesIO(recording)) as file:
            if file.format not in ("WAV", "WAVEX") or not RATES[0] <= file.samplerate <= RATES[1]:
                raise _refused("audio_sample", "a WAV file of 8 to 192 kHz is needed")
            seconds, rate = len(file) / file.samplerate, file.samplerate
            if not SHORTEST_S <= seconds <= LONGEST_S:
                raise _refused(
                    "audio_sample", f"{SHORTEST_S:g} to {LONGEST_S:g} s are needed, not {seconds:.1f}"
                )
            samples = file.read(dtype="float32", always_2d=True).mean(axis=1)
    except soundfile.LibsndfileError as exc:
        raise _refused("audio_sample", "the file is no WAV") from exc
    if len(samples) / rate < SHORTEST_S or loudness(samples) < QUIETEST_DBFS:
        raise _refused("audio_sample", "nobody can be heard in it")
    samples = np.clip(resample(samples, rate), -1, 1)
    return Sound((samples * FULL_SCALE).astype("<i2").tobytes(), SAMPLE_RATE)


def _refused(param: str, message: str) -> BadRequest:
    return BadRequest(f"{param}: {message}", param=param, source="speech", code="invalid_value")
