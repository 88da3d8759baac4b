"""Audio post-processing: one sample rate, silence trimmed, loudness normalised, peaks limited softly."""

import math
import struct
from typing import NamedTuple

import numpy as np

SAMPLE_RATE = 24_000
"""What OpenAI's clients expect of PCM, and what neural voices speak at."""
LOUDNESS_DBFS = -18.0
PEAK = 0.89  # -1 dBFS
KNEE = 0.6
SILENCE = 0.004
EDGE_S = 0.05
FADE_S = 0.005
RUMBLE_HZ = 30.0
FULL_SCALE = 32_767


class Sound(NamedTuple):
    """16-bit mono PCM, little endian."""

    pcm: bytes
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return len(self.pcm) / 2 / self.sample_rate

    def wav(self) -> bytes:
        """A WAV file."""
        return wav_header(len(self.pcm), self.sample_rate) + self.pcm


def wav_header(size: int | None, sample_rate: int = SAMPLE_RATE) -> bytes:
    """The head of a WAV file with `size` bytes of 16-bit mono samples; None: as many as come."""
    data = 0xFFFFFFFF if size is None else size
    riff = 0xFFFFFFFF if size is None else size + 36
    form = struct.pack("<IHHIIHH", 16, 1, 1, sample_rate, sample_rate * 2, 2, 16)
    return b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + form + b"data" + struct.pack("<I", data)


def silence(seconds: float) -> bytes:
    """Samples at `SAMPLE_RATE`."""
    return bytes(2 * round(seconds * SAMPLE_RATE))


def resample(samples: np.ndarray, rate: int, to: int = SAMPLE_RATE) -> np.ndarray:
    """Band-limited, float32 (n,) → (round(n · to / rate),), by the spectrum: for pieces that begin and end in
    silence, since it wraps around (J. O. Smith, Spectral Audio Signal Processing, "zero padding")."""
    if rate == to or not len(samples):
        return samples
    step = math.gcd(rate, to)
    # A length of which the result is whole and the transform fast.
    blocks = -(-len(samples) // (rate // step))
    padded = np.zeros(blocks * (rate // step), dtype=np.float32)
    padded[: len(samples)] = samples
    size = blocks * (to // step)
    spectrum, kept = np.fft.rfft(padded), min(len(padded), size) // 2 + 1
    wide = np.zeros(size // 2 + 1, dtype=spectrum.dtype)
    wide[:kept] = spectrum[:kept]
    out = np.fft.irfft(wide, size) * (size / len(padded))
    return out[: round(len(samples) * to / rate)].astype(np.float32)


def finish(raw: bytes, sample_rate: int) -> Sound:
    """16-bit mono PCM `raw` at `SAMPLE_RATE`, trimmed to `EDGE_S` of silence at each end, without
    rumble, normalised to `LOUDNESS_DBFS`, its peaks under `PEAK`."""
    samples = np.frombuffer(raw, dtype="<i2").astype(np.float32) / FULL_SCALE
    samples = _trimmed(samples, int(EDGE_S * sample_rate))
    samples = resample(samples, sample_rate)
    samples = _soft_limited(_without_rumble(samples) * _gain(samples))
    fade = min(int(FADE_S * SAMPLE_RATE), len(samples) // 2)
    if fade:
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        samples[:fade] *= ramp
        samples[-fade:] *= ramp[::-1]
    return Sound((samples * FULL_SCALE).astype("<i2").tobytes(), SAMPLE_RATE)


def loudness(samples: np.ndarray) -> float:
    """RMS in dBFS of the samples above `SILENCE`, float32 (n,) in [-1, 1]; -inf when there are none."""
    speech = samples[np.abs(samples) > SILENCE]
    return float(20 * np.log10(np.sqrt(np.mean(speech**2)))) if len(speech) else float("-inf")


def _trimmed(samples: np.ndarray, edge: int) -> np.ndarray:
    loud = np.flatnonzero(np.abs(samples) > SILENCE)
    if not len(loud):
        return samples[:0].copy()
    quiet = np.zeros(edge, dtype=np.float32)
    return np.concatenate([quiet, samples[loud[0] : loud[-1] + 1], quiet])


def _without_rumble(samples: np.ndarray) -> np.ndarray:
    """Without what lies below any voice: some of espeak-ng's lean to one side."""
    if not len(samples):
        return samples
    spectrum = np.fft.rfft(samples)
    spectrum[: math.ceil(RUMBLE_HZ * len(samples) / SAMPLE_RATE)] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def _gain(samples: np.ndarray) -> float:
    level = loudness(samples)
    return 10 ** ((LOUDNESS_DBFS - level) / 20) if np.isfinite(level) else 1.0


def _soft_limited(samples: np.ndarray) -> np.ndarray:
    """Soft-knee limiter: below `KNEE` untouched, above it a tanh that never reaches `PEAK`."""
    size = np.abs(samples)
    room = PEAK - KNEE
    bent = KNEE + room * np.tanh((size - KNEE) / room)
    return np.where(size > KNEE, np.sign(samples) * bent, samples)
