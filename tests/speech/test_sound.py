import numpy as np
import pytest

from servers.speech.sound import EDGE_S, LOUDNESS_DBFS, PEAK, finish, loudness

pytestmark = pytest.mark.pure

RATE = 22_050


def tone(volume, *, seconds=1.0, silence=0.5):
    wave = np.sin(np.arange(int(RATE * seconds)) * 2 * np.pi * 200 / RATE) * volume
    quiet = np.zeros(int(RATE * silence))
    return (np.concatenate([quiet, wave, quiet]) * 32_767).astype("<i2").tobytes()


def read(sound):
    return np.frombuffer(sound.pcm, dtype="<i2") / 32_768


@pytest.mark.parametrize("volume", [0.05, 0.3, 0.99])
def test_every_level_comes_out_equally_loud(volume):
    assert loudness(read(finish(tone(volume), RATE))) == pytest.approx(LOUDNESS_DBFS, abs=0.3)


def test_silence_around_the_speech_is_trimmed():
    assert finish(tone(0.3), RATE).duration_s == pytest.approx(1.0 + 2 * EDGE_S, abs=0.02)


def test_peaks_are_rounded_and_never_clip():
    spiky = np.frombuffer(tone(0.1), dtype="<i2").copy()
    spiky[::400] = 32_767
    assert np.abs(read(finish(spiky.tobytes(), RATE))).max() <= PEAK


def test_pure_silence_gives_an_empty_sound():
    assert finish(bytes(2_000), RATE).duration_s == 0


def test_the_wav_starts_and_ends_at_zero():
    samples = read(finish(tone(0.9, silence=0), RATE))
    assert samples[0] == 0
    assert samples[-1] == 0
