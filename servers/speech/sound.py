"""Audio post-processing: silence trimmed, loudness normalised, peaks limited softly; WAV encoding."""

import io
import wave
from typing import NamedTuple

import numpy as np

LOUDNESS_DBFS = -18.0
PEAK = 0.89  # -1 dBFS
KNEE = 0.6
SILENCE = 0.004
EDGE_S = 0.05
FADE_S = 0.005
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
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(self.sample_rate)
            out.writeframes(self.pcm)
        return file.getvalue()


def finish(raw: bytes, sample_rate: int) -> Sound:
    """16-bit mono PCM `raw` trimmed to `EDGE_S` of silence at each end, normalised to `LOUDNESS_DBFS`, its
    peaks under `PEAK`."""
    samples = np.frombuffer(raw, dtype="<i2").astype(np.float32) / FULL_SCALE
    samples = _trimmed(samples, int(EDGE_S * sample_rate))
    samples = _soft_limited(samples * _gain(samples))
    fade = min(int(FADE_S * sample_rate), len(samples) // 2)
    if fade:
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        samples[:fade] *= ramp
        samples[-fade:] *= ramp[::-1]
    return Sound((samples * FULL_SCALE).astype("<i2").tobytes(), sample_rate)


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


def _gain(samples: np.ndarray) -> float:
    level = loudness(samples)
    return 10 ** ((LOUDNESS_DBFS - level) / 20) if np.isfinite(level) else 1.0


def _soft_limited(samples: np.ndarray) -> np.ndarray:
    """Soft-knee limiter: below `KNEE` untouched, above it a tanh that never reaches `PEAK`."""
    size = np.abs(samples)
    room = PEAK - KNEE
    bent = KNEE + room * np.tanh((size - KNEE) / room)
    return np.where(size > KNEE, np.sign(samples) * bent, samples)
