"""Decodes audio files with FFmpeg (`av`): a second program beside the one that wrote them."""

import io
from typing import NamedTuple

import av
import numpy as np


class Decoded(NamedTuple):
    """`samples` are float32 (n,) in [-1, 1]; `container` and `codec` as FFmpeg names them."""

    samples: np.ndarray
    rate: int
    container: str
    codec: str

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


def decode(data: bytes) -> Decoded:
    with av.open(io.BytesIO(data), "r") as file:
        stream = file.streams.audio[0]
        assert stream.channels == 1
        resampler = av.AudioResampler(format="flt", layout="mono", rate=stream.rate)
        frames = [out for frame in file.decode(stream) for out in resampler.resample(frame)]
        samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
        return Decoded(samples, stream.rate, file.format.name, stream.codec_context.name)
